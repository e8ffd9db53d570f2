// Pictures and words in one space. The collection lives here; the model's answers come from the server: the
// run's cosines packed with the value, the rest asked one by one. Dragging exp(t) is softmax again, here.
const { Chart, image, unpack, format, COLOURS: C } = window.Glassbox;
const $ = q => element.querySelector(q),
  $$ = q => [...element.querySelectorAll(q)];
const page = element.closest('.gb-topic');
const canvases = Object.fromEntries($$('figure canvas').map(c => [c.dataset.panel, c]));
const curves = { losses: new Chart(canvases.losses), scale: new Chart(canvases.scale) };
const alarm = $('.alarm');
const MOST = 16,
  LEAST = 3;
// pairs: what the visitor collected; chosen: whose picture the later stages are about.
const S = { pairs: [], chosen: 0, stage: 1, t: null, zero: null, zeroT: null };
let D = null,
  T = null,
  W = null,
  gallery = [],
  asked = 0;

const clamp = (v, low, high) => Math.max(low, Math.min(high, v));
const node = (tag, text, cls) => {
  const n = document.createElement(tag);
  if (text !== undefined) n.textContent = text;
  if (cls) n.className = cls;
  return n;
};
const signed = (v, digits) => v.toFixed(digits).replace('-', '−');
const percent = v => `${(100 * v).toFixed(v > 0 && v < 0.1 ? 1 : 0)} %`;

// ---- pictures by their names: the app's own lie in one sheet
const thumb = (picture, data, size = 3.6) => {
  const [kind, which] = picture.split(' ');
  if (kind !== 'emoji') {
    const img = node('img', undefined, 'thumb');
    img.src = data || (D.photographs.find(p => p.picture === picture) || {}).thumb || '';
    img.alt = '';
    return img;
  }
  const n = +which,
    span = node('span', undefined, 'thumb');
  span.style.backgroundImage = `url("${D.sheet.url}")`;
  span.style.backgroundSize = `${20 * size}rem ${15 * size}rem`;
  span.style.backgroundPosition = `-${(n % 20) * size}rem -${Math.floor(n / 20) * size}rem`;
  return span;
};
const chosen = () => S.pairs[S.chosen];

// ---- the server
const ask = async (what, request) => {
  const said = await server[what]({ model: D.model, ...request });
  alarm.textContent = said ? said.error || (said.notices || []).join(' ') : 'The server did not answer; try again.';
  return said && !said.error ? said : null;
};
const send = (event, extra = {}) => {
  props.value = { ...keepPairs(), ...extra };
  trigger(event);
};
const changed = () => {
  alarm.textContent = '';
  strip();
  send('changed');
};

// ---- the collection
// Its cards are made anew only where pictures came or went: what is being typed, and the focus, stay.
const strip = () => {
  const pictures = S.pairs.map(p => p.picture).join();
  if ($('.strip').dataset.pictures !== pictures) $('.strip').replaceChildren(...S.pairs.map(card));
  $('.strip').dataset.pictures = pictures;
  $$('.pair').forEach((box, i) => {
    const on = i === S.chosen,
      text = box.querySelector('input');
    box.classList.toggle('chosen', on);
    box.querySelector('.pick').setAttribute('aria-pressed', on);
    box.querySelector('.pick').setAttribute('aria-label', `Choose picture ${i + 1}: ${S.pairs[i].caption}`);
    if (text !== document.activeElement) text.value = S.pairs[i].caption;
  });
  $('.count').textContent = `${S.pairs.length} of at most ${MOST} pairs`;
};
const card = (pair, i) => {
  const box = node('div', undefined, 'pair'),
    pick = node('button', undefined, 'pick'),
    text = node('input'),
    away = node('button', '×', 'away');
  pick.type = away.type = 'button';
  pick.append(thumb(pair.picture, pair.thumb));
  pick.addEventListener('click', () => {
    S.chosen = i;
    strip();
    about();
  });
  text.type = 'text';
  text.value = pair.caption;
  text.setAttribute('aria-label', `Caption of picture ${i + 1}`);
  text.addEventListener('input', () => (pair.caption = text.value));
  text.addEventListener('change', () => changed());
  away.setAttribute('aria-label', `Take pair ${i + 1} away`);
  away.addEventListener('click', () => {
    if (S.pairs.length <= LEAST) return (alarm.textContent = `At least ${LEAST} pairs are compared.`);
    S.pairs.splice(i, 1);
    const was = S.chosen === i;
    if (S.chosen > i || S.chosen === S.pairs.length) S.chosen -= 1;
    changed();
    if (was) about();
  });
  box.append(pick, text, away);
  return box;
};
// A caption that is not there yet: equal ones would count as wrong.
const fresh = caption => {
  let text = caption,
    n = 2;
  while (S.pairs.some(p => p.caption.toLowerCase() === text.toLowerCase())) text = `${caption} ${n++}`;
  return text;
};
const reveal = () => $('.pair.chosen')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
const add = pair => {
  if (S.pairs.length >= MOST) return (alarm.textContent = `At most ${MOST} pairs are compared; take one away first.`);
  S.pairs.push({ ...pair, caption: fresh(pair.caption) });
  S.chosen = S.pairs.length - 1;
  changed();
  reveal();
  about();
};
const shelf = () => {
  const asked = $('.find').value.trim().toLowerCase();
  const rows = [
    ...D.photographs,
    ...gallery.map((g, i) => ({ picture: `emoji ${i}`, caption: g.label, tags: g.tags })),
  ].filter(r => !asked || [r.caption, ...(r.tags || [])].some(w => w.includes(asked)));
  if (!rows.length) return $('.shelf').replaceChildren(node('p', `No picture is called “${asked}”.`));
  $('.shelf').replaceChildren(
    ...rows.map(r => {
      const button = node('button');
      button.type = 'button';
      button.append(thumb(r.picture, r.thumb, 2.6), node('span', r.caption));
      const small = button.firstChild;
      small.style.width = small.style.height = '2.6rem';
      button.addEventListener('click', () => add({ picture: r.picture, caption: r.caption, thumb: r.thumb }));
      return button;
    }),
  );
};
const fold = (button, box) =>
  $(button).addEventListener('click', async () => {
    const open = $(box).hidden;
    $(box).hidden = !open;
    $(button).setAttribute('aria-expanded', open);
    if (open && box === '.picker') {
      if (!gallery.length) gallery = await (await fetch(D.gallery.url)).json();
      shelf();
    }
  });
fold('.add', '.picker');
fold('.draw', '.sheet');
$('.find').addEventListener('input', () => D && shelf());

// ---- drawing
const paper = $('.paper'),
  ink = paper.getContext('2d');
const clean = () => {
  ink.fillStyle = '#fff';
  ink.fillRect(0, 0, paper.width, paper.height);
};
clean();
let last = null;
const stroke = (event, begins) => {
  const b = paper.getBoundingClientRect(),
    at = [
      ((event.clientX - b.left) / b.width) * paper.width,
      ((event.clientY - b.top) / b.height) * paper.height,
    ];
  ink.strokeStyle = $('.ink').value;
  ink.lineWidth = +$('.pen').value;
  ink.lineCap = ink.lineJoin = 'round';
  ink.beginPath();
  ink.moveTo(...(begins || !last ? [at[0] + 0.1, at[1]] : last));
  ink.lineTo(...at);
  ink.stroke();
  last = at;
};
paper.addEventListener('pointerdown', e => {
  paper.setPointerCapture(e.pointerId);
  stroke(e, true);
});
paper.addEventListener('pointermove', e => e.buttons && stroke(e, false));
$('.clean').addEventListener('click', clean);
$('.take').addEventListener('click', async () => {
  if (!D) return;
  const { data } = ink.getImageData(0, 0, paper.width, paper.height);
  let text = '';
  for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
  const said = await ask('draw', { side: paper.width, rgba: btoa(text) });
  if (said) add({ picture: said.picture, thumb: said.thumb, caption: 'my drawing' });
});

// ---- 1 Contrast: softmax and losses for the exp(t) of the slider
const softmax = values => {
  const most = Math.max(...values),
    e = values.map(v => Math.exp(v - most)),
    sum = e.reduce((a, b) => a + b, 0);
  return e.map(v => v / sum);
};
const scaleOf = slider => Math.exp((+slider.value / 1000) * Math.log(100));
const sliderOf = t => Math.round((1000 * Math.min(t, Math.log(100))) / Math.log(100));
const tell = (slider, scale) => {
  $(`${slider}-at`).textContent = format(scale);
  $(slider).setAttribute('aria-valuetext', `exp(t) ${format(scale)}`);
};
const contrast = t => {
  const n = D.n,
    k = Math.exp(t),
    rows = Array.from({ length: n }, (_, i) =>
      Array.from({ length: n }, (_, j) => k * D.cosine.cell(i, j) + (D.bias || 0)),
    );
  const along = rows.map(softmax),
    down = rows.map((_, j) => softmax(rows.map(row => row[j])));
  const mean = f => along.reduce((sum, _, i) => sum - Math.log(Math.max(f(i), 1e-45)), 0) / n;
  const sigmoid = () => {
    let sum = 0;
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        const z = i === j ? rows[i][j] : -rows[i][j];
        sum += z > 0 ? Math.log1p(Math.exp(-z)) : -z + Math.log1p(Math.exp(z));
      }
    return sum / n;
  };
  return {
    rows,
    along,
    down: (i, j) => down[j][i],
    images: mean(i => along[i][i]),
    texts: mean(i => down[i][i]),
    sigmoid: D.bias === null ? null : sigmoid(),
  };
};
const shade = v => {
  const [r, g, b] = [
    [247, 247, 247],
    [0, 114, 178],
  ].reduce((a, z) => a.map((x, i) => x + (z[i] - x) * clamp(v, 0, 1)));
  return `rgb(${r}, ${g}, ${b})`;
};
const matrix = () => {
  const now = contrast(S.t),
    show = $('.show').value,
    n = D.n;
  const value = {
    rows: (i, j) => now.along[i][j],
    columns: now.down,
    cosine: (i, j) => D.cosine.cell(i, j),
    logits: (i, j) => now.rows[i][j],
  }[show];
  const shares = show === 'rows' || show === 'columns';
  let low = 0,
    high = 1;
  if (!shares) {
    const all = now.rows.flatMap((row, i) => row.map((_, j) => value(i, j)));
    [low, high] = [Math.min(...all), Math.max(...all)];
  }
  const table = node('table', undefined, n > 8 ? 'many' : ''),
    head = node('tr');
  head.append(node('th', shares ? 'in %' : ''), ...D.pairs.map(p => Object.assign(node('th', p.caption), { title: p.caption })));
  for (const th of [...head.children].slice(1)) th.scope = 'col';
  table.append(head);
  for (let i = 0; i < n; i++) {
    const row = node('tr'),
      th = node('th');
    th.scope = 'row';
    const small = thumb(D.pairs[i].picture, D.pairs[i].thumb, n > 8 ? 1.5 : 2.2);
    small.setAttribute('role', 'img');
    small.setAttribute('aria-label', `picture ${i + 1}`);
    th.append(small);
    row.append(th);
    for (let j = 0; j < n; j++) {
      const v = value(i, j),
        depth = (v - low) / (high - low || 1);
      const cell = node('td', shares ? (100 * v).toFixed(v > 0.005 && v < 0.095 ? 1 : 0) : v.toFixed(2).replace('-', '−'));
      cell.style.background = shade(depth);
      cell.style.color = depth > 0.93 ? '#fff' : '#000'; // 4.5 to 1 and more with either
      if (i === j) cell.className = 'own';
      row.append(cell);
    }
    table.append(row);
  }
  $('.matrix').replaceChildren(table);
  $('.scale').value = sliderOf(S.t);
  tell('.scale', Math.exp(S.t));
  const both = (now.images + now.texts) / 2,
    losses = $('.losses');
  losses.replaceChildren(
    'Loss of rows ',
    node('b', now.images.toFixed(3)),
    ', of columns ',
    node('b', now.texts.toFixed(3)),
    ', the mean ',
    node('b', both.toFixed(3), 'mean'),
    ...(now.sigmoid === null ? [] : ['; sigmoid loss ', node('b', now.sigmoid.toFixed(3), 'sigmoid-loss')]),
    `; by chance ln ${n} = ${Math.log(n).toFixed(3)}.`,
  );
};
const code = () =>
  $('.pseudocode').replaceChildren(
    ...D.code.map(step => {
      const item = node('li');
      item.append(node('code', step.line), node('span', [step.shape, step.values].filter(Boolean).join(': ')));
      return item;
    }),
  );
$('.show').addEventListener('change', () => D && matrix());
$('.scale').addEventListener('input', () => {
  if (!D) return;
  S.t = Math.log(scaleOf($('.scale')));
  matrix();
});
$('.trained-scale').addEventListener('click', () => {
  if (!D) return;
  S.t = D.t;
  matrix();
});

// ---- 2 Train it here
const drawTraining = () => {
  if (!T || !canvases.diagonal.offsetWidth) return;
  const canvas = canvases.diagonal,
    box = canvas.getBoundingClientRect(),
    d = devicePixelRatio || 1,
    n = T.along_rows.shape[0];
  canvas.width = Math.round(box.width * d);
  canvas.height = Math.round(box.height * d);
  const g = canvas.getContext('2d'),
    side = Math.min(canvas.width, canvas.height);
  g.imageSmoothingEnabled = false;
  g.drawImage(
    image(n, n, (r, c) => T.along_rows.cell(n - 1 - r, c), [0, 1]),
    (canvas.width - side) / 2,
    0,
    side,
    side,
  );
  canvas.setAttribute('aria-label', `${n} pictures by ${n} texts after ${T.step} steps`);
  const steps = T.losses.length;
  curves.losses
    .open({ x: [0, Math.max(1, T.step)], y: [0, T.losses.extent()[1]], xTitle: 'step', yTitle: 'loss' })
    .line(
      steps,
      k => k,
      k => T.losses.at(k),
      { colour: C.vermilion, width: 2 },
    )
    .horizontal(Math.log(n), { label: `by chance ln ${n}` });
  const [low, high] = T.scales.extent();
  curves.scale
    .open({ x: [0, Math.max(1, T.step)], y: [low - 0.2, high + 0.2], xTitle: 'step', yTitle: 'exp(t)' })
    .line(
      steps,
      k => k,
      k => T.scales.at(k),
      { colour: C.blue, width: 2 },
    );
  let own = 0;
  for (let i = 0; i < n; i++) own += T.along_rows.cell(i, i) / n;
  $('.told-train').textContent =
    `${T.end ? `${T.end} after` : 'Step'} ${T.step}: loss ${T.loss.toFixed(3)}, exp(t) ${T.scale.toFixed(2)}; ` +
    `a picture gives its own text ${percent(own)} on average.`;
};
const train = () => {
  if (!D) return;
  const batch = $('.batch').value;
  send('train', { batch: batch === 'own' ? batch : +batch, seed: $('.seed').value });
};
$('.train').addEventListener('click', train);
$('.halt').addEventListener('click', () => trigger('halt'));

// ---- 3 Zero-shot
const zero = async () => {
  if (!D || S.stage !== 3) return;
  const mine = ++asked;
  const said = await ask('zero_shot', {
    picture: chosen().picture,
    labels: $('.labels').value,
    template: $('.template').value,
  });
  if (!said || mine !== asked) return;
  S.zero = said;
  if (S.zeroT === null) S.zeroT = said.t;
  $('.for-sigmoid').hidden = said.sigmoid === null;
  drawZero();
};
const drawZero = () => {
  const z = S.zero;
  if (!z) return;
  const k = Math.exp(S.zeroT),
    logits = z.cosine.map(c => k * c + (z.bias || 0)),
    sigmoid = z.sigmoid !== null && $('.kind').value === 'sigmoid';
  const p = sigmoid ? logits.map(l => 1 / (1 + Math.exp(-l))) : softmax(logits);
  const order = [...p.keys()].sort((a, b) => p[b] - p[a]);
  $('.answer').replaceChildren(
    ...order.flatMap(i => {
      const track = node('div', undefined, 'track'),
        bar = node('i');
      bar.style.width = `${100 * p[i]}%`;
      track.append(bar);
      return [
        node('b', z.labels[i]),
        track,
        node('span', percent(p[i]), 'number'),
        node('span', `cos ${signed(z.cosine[i], 3)}, logit ${signed(logits[i], 2)}`, 'number'),
      ];
    }),
  );
  $('.zero-scale').value = sliderOf(S.zeroT);
  tell('.zero-scale', k);
  const best = order[0],
    same = Math.abs(S.zeroT - z.t) < 0.01 ? 'as trained' : `trained: ${format(Math.exp(z.t))}`;
  $('.told-zero').textContent = sigmoid
    ? `Each label by itself: “${z.labels[best]}” fits with ${percent(p[best])}. The others do not take from it.`
    : `“${z.labels[best]}” takes ${percent(p[best])} of what ${z.labels.length === 1 ? 'this label has' : `these ${z.labels.length} labels share`}, with exp(t) ${format(k)} (${same}).` +
      (z.labels.length === 1 ? ' One label alone always takes all.' : '') +
      (z.bias === null ? ' This model was taught to compare, so it cannot score one label alone.' : '');
};
for (const q of ['.labels', '.template']) $(q).addEventListener('change', zero);
let typing = 0;
$('.labels').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(zero, 400);
});
$('.kind').addEventListener('change', drawZero);
$('.zero-scale').addEventListener('input', () => {
  S.zeroT = Math.log(scaleOf($('.zero-scale')));
  drawZero();
});

// ---- 4 Ground
const ground = async () => {
  if (!D) return;
  const told = $('.told-ground');
  told.textContent = 'Looking …';
  const said = await ask('ground', {
    words: $('.words').value,
    plus: $('.plus').value,
    minus: $('.minus').value,
    picture: $('.with-picture').checked ? chosen().picture : null,
  });
  told.textContent = '';
  if (!said) return;
  $('.found').replaceChildren(
    ...said.found.map(f => {
      const button = node('button');
      button.type = 'button';
      button.append(thumb(f.picture, null), node('span', f.caption), node('span', f.score.toFixed(3).replace('-', '−')));
      button.addEventListener('click', () => {
        const at = S.pairs.findIndex(p => p.picture === f.picture);
        if (at < 0) add({ picture: f.picture, caption: f.caption });
        else {
          S.chosen = at;
          strip();
          about();
        }
      });
      return button;
    }),
  );
  const held = said.found.filter(f => f.held_out).length;
  told.textContent =
    `The ${said.found.length} nearest of ${said.of} pictures, with their cosines` +
    (D.pocket ? `; ${held} of these drawings were kept out of its training.` : '.') +
    ' Click one to collect and choose it.';
};
const near = async () => {
  if ($('.with-picture').checked) ground();
  if (!D) return;
  const said = await ask('words_of', { picture: chosen().picture });
  if (said)
    $('.near').replaceChildren(
      ...said.near.map(w => node('span', `${w.label} ${w.score.toFixed(3).replace('-', '−')}`)),
    );
};
$('.query').addEventListener('submit', e => {
  e.preventDefault();
  ground();
});
$('.words-of').addEventListener('click', near);

// ---- 5 Where
const floats = text => new Float32Array(Uint8Array.from(atob(text), s => s.charCodeAt(0)).buffer);
const whereIs = async () => {
  if (!D) return;
  const told = $('.told-where');
  told.textContent = 'Looking …';
  const said = await ask('where', { picture: chosen().picture, words: $('.where-words').value });
  told.textContent = '';
  if (!said) return;
  const pixels = Uint8Array.from(atob(said.pixels), s => s.charCodeAt(0)),
    data = new ImageData(said.width, said.height);
  for (let i = 0; i < said.width * said.height; i++) {
    for (let j = 0; j < 3; j++) data.data[4 * i + j] = pixels[3 * i + j];
    data.data[4 * i + 3] = 255;
  }
  const photo = node('canvas');
  photo.width = said.width;
  photo.height = said.height;
  photo.getContext('2d').putImageData(data, 0, 0);
  W = { ...said, photo };
  for (const part of ['surgery', 'gradient', 'plain']) W[part] = floats(said[part]);
  drawWhere();
};
const drawWhere = () => {
  if (!W) return;
  for (const part of ['surgery', 'gradient', 'plain']) {
    const canvas = canvases[part],
      box = canvas.getBoundingClientRect();
    if (box.width < 2) return;
    const d = devicePixelRatio || 1;
    canvas.width = Math.round(box.width * d);
    canvas.height = Math.round(box.height * d);
    const g = canvas.getContext('2d'),
      k = Math.min(canvas.width / W.width, canvas.height / W.height),
      at = [(canvas.width - k * W.width) / 2, (canvas.height - k * W.height) / 2, k * W.width, k * W.height];
    const values = [...W[part]],
      low = Math.min(...values),
      high = Math.max(...values);
    const weights = values.map(v => (v - low) / (high - low || 1));
    window.Glassbox.glow(g, W.photo, weights, [W.rows, W.columns], at);
    canvas.setAttribute('aria-label', `${W.words}: from ${format(low)} (grey) to ${format(high)} (yellow)`);
  }
  const ends = part => `${format(Math.min(...W[part]))} to ${format(Math.max(...W[part]))}`;
  $('.told-where').textContent =
    `“${W.words}” and this picture have a cosine of ${W.score.toFixed(3)}. Grey to yellow: values ` +
    `${ends('surgery')}, gradient ${ends('gradient')}, plain ${ends('plain')}. ${W.on} ` +
    'A map that is higher on the ground than on the thing is inverted.';
};
$('.ask').addEventListener('submit', e => {
  e.preventDefault();
  whereIs();
});

// ---- what the chosen picture and the stage ask for
const about = () => {
  if (!D) return;
  if (S.stage === 3) zero();
  if (S.stage === 4) near();
  if (S.stage === 5) {
    $('.where-words').value = chosen().caption;
    whereIs();
  }
};
const draw = () => {
  if (!D) return;
  if (S.stage === 1) matrix();
  if (S.stage === 2) drawTraining();
  if (S.stage === 3) drawZero();
  if (S.stage === 5) drawWhere();
};
const choose = window.Glassbox.stages(element, stage => {
  S.stage = stage;
  if (!D) return;
  draw();
  if (stage === 2 && !T) train();
  if (stage === 3) zero();
  if (stage === 4) {
    if (!$('.found').children.length) ground();
    near();
  }
  if (stage === 5) {
    $('.where-words').value = chosen().caption;
    whereIs();
  }
});

// ---- things to try
addEventListener('glassbox-try', async event => {
  if (event.detail.topic !== page?.id || !element.isConnected || !D) return;
  if (event.detail.n === 1) {
    if (!gallery.length) gallery = await (await fetch(D.gallery.url)).json();
    const more = gallery.map((g, i) => ({ picture: `emoji ${i}`, caption: g.label }));
    for (const label of D.more) {
      const found = more.find(m => m.caption === label);
      if (S.pairs.length < MOST && !S.pairs.some(p => p.picture === found.picture))
        S.pairs.push({ ...found, caption: fresh(found.caption) });
    }
    choose(1);
    changed();
  } else if (event.detail.n === 2) {
    const [a, b] = S.pairs;
    [a.caption, b.caption] = [b.caption, a.caption];
    choose(1);
    changed();
  } else {
    choose(4);
    $('.words').value = 'spoon';
    $('.plus').value = $('.minus').value = '';
    $('.with-picture').checked = false;
    ground();
  }
});

// ---- what comes from the server: a run, a step of training, or a picture that was brought
let newest = null;
// The page's events take the collection from the component's value, whatever came there last.
const keepPairs = () => (props.value = { pairs: S.pairs.map(({ picture, caption }) => ({ picture, caption })) });
const load = async () => {
  const v = (newest = props.value);
  if (!v) return;
  if (v.kind === 'brought') {
    keepPairs();
    add({ picture: v.picture, thumb: v.thumb, caption: 'my picture' });
    if (v.notices.length) alarm.textContent = v.notices.join(' ');
    return;
  }
  if (!v.parts) return;
  const said = await fetch(v.file.url);
  if (!said.ok) {
    alarm.textContent = 'This run is no longer on the server; change a caption to run again.';
    return;
  }
  const buffer = await said.arrayBuffer();
  if (v.kind === 'train') {
    if (v !== newest) return; // another state came while this one's file was fetched
    T = { ...v, ...unpack(buffer, v.parts) };
    if (v.end) keepPairs();
    return drawTraining();
  }
  const before = D;
  D = { ...v, ...unpack(buffer, v.parts), n: v.pairs.length };
  if (!before) S.pairs = D.pairs.map(p => ({ ...p }));
  if (!before || before.model !== D.model) {
    S.t = D.t;
    S.zeroT = S.zero = W = null;
    $('.found').replaceChildren();
    $('.near').replaceChildren();
    if (!before) $('.labels').value = D.labels.join('\n');
  }
  strip();
  code();
  draw();
  if (before && before.model !== D.model) about();
  $('.gb-clip').dataset.run = D.key;
};
watch('value', load);
load();
window.Glassbox.redraw(element, draw);
choose(1);
trigger('shown');
