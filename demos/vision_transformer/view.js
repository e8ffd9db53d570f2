// One picture through a Vision Transformer, in four stages around one chosen patch. All that is drawn comes
// from the run's trace: packed with the value, one file a layer for the attentions, or asked of the server.
const { image, unpack, format, COLOURS: C } = window.Glassbox;
const $ = q => element.querySelector(q),
  $$ = q => [...element.querySelectorAll(q)];
const canvases = Object.fromEntries($$('canvas').map(c => [c.dataset.panel, c]));
const alarm = $('.alarm');
// patch: the chosen one; from: 'cls' or 'patch', whose attention is shown; hidden: patches taken out.
const S = { patch: 0, from: 'cls', stage: 1, mode: 'hide', apart: 1, hidden: new Set() };
let D = null,
  layers = [],
  photo = null,
  paint = null,
  map = null,
  answer = null,
  pending = 0;

// ---- drawing on canvases whose pixels are the screen's
const clamp = (v, low, high) => Math.max(low, Math.min(high, v));
const node = (tag, text, cls) => {
  const n = document.createElement(tag);
  if (text !== undefined) n.textContent = text;
  if (cls) n.className = cls;
  return n;
};
const open = panel => {
  const canvas = canvases[panel],
    box = canvas.getBoundingClientRect(),
    d = devicePixelRatio || 1;
  if (box.width < 2) return null;
  const w = Math.round(box.width * d),
    h = Math.round(box.height * d);
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  const g = canvas.getContext('2d');
  g.setTransform(d, 0, 0, d, 0, 0);
  g.clearRect(0, 0, box.width, box.height);
  g.ink = getComputedStyle(canvas).color;
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
  g.size = Math.round(rem * 0.75);
  g.font = `${g.size}px system-ui, sans-serif`;
  g.fillStyle = g.strokeStyle = g.ink;
  return { g, w: box.width, h: box.height };
};
const say = (panel, text) => canvases[panel].setAttribute('aria-label', `${D.panels[panel]}: ${text}`);
// A map over the grid of patches, row 0 at the top.
const onGrid = (value, extent, colours) =>
  image(D.rows, D.columns, (r, c) => value((D.rows - 1 - r) * D.columns + c), extent, colours);
const place = i => [Math.floor(i / D.columns), i % D.columns];
const named = i => `patch ${i} (row ${place(i)[0]}, column ${place(i)[1]})`;
const first = () => 1 + D.registers;
// Where the picture lies in its canvas: it keeps its proportions.
const frame = ({ w, h }) => {
  const k = Math.min(w / D.width, h / D.height);
  return { x: (w - k * D.width) / 2, y: (h - k * D.height) / 2, k };
};
const box = (f, i) => {
  const [r, c] = place(i),
    s = f.k * D.patch;
  return [f.x + c * s, f.y + r * s, s, s];
};
const outline = (g, [x, y, w, h], colour = C.vermilion) => {
  g.lineWidth = 4;
  g.strokeStyle = '#fff';
  g.strokeRect(x, y, w, h);
  g.lineWidth = 2;
  g.strokeStyle = colour;
  g.strokeRect(x, y, w, h);
};

// ---- the picture, with what the stage lays over it
const drawPicture = () => {
  const area = open('picture');
  if (!area) return;
  const { g } = area,
    f = frame(area),
    size = [f.x, f.y, f.k * D.width, f.k * D.height];
  g.imageSmoothingEnabled = f.k < 1;
  const shown = heat();
  if (shown) {
    const weights = shown.values.map(v => v / shown.most);
    window.Glassbox.glow(g, photo, weights, [D.rows, D.columns], size);
  } else g.drawImage(photo, ...size);
  $('.scale').hidden = !shown;
  if (shown) $('.most').textContent = `${format(shown.most)} ${shown.unit}`;
  if (S.stage === 4) {
    g.drawImage(paint, ...size);
    for (const i of S.hidden) {
      const b = box(f, i);
      g.fillStyle = '#808080';
      g.fillRect(...b);
      g.strokeStyle = '#fff';
      g.lineWidth = 1;
      g.beginPath();
      g.moveTo(b[0], b[1]);
      g.lineTo(b[0] + b[2], b[1] + b[3]);
      g.stroke();
    }
  }
  g.strokeStyle = '#fff';
  g.globalAlpha = 0.55;
  g.lineWidth = 1;
  g.beginPath();
  for (let c = 0; c <= D.columns; c++) {
    g.moveTo(f.x + c * f.k * D.patch, f.y);
    g.lineTo(f.x + c * f.k * D.patch, f.y + f.k * D.height);
  }
  for (let r = 0; r <= D.rows; r++) {
    g.moveTo(f.x, f.y + r * f.k * D.patch);
    g.lineTo(f.x + f.k * D.width, f.y + r * f.k * D.patch);
  }
  g.stroke();
  g.globalAlpha = 1;
  if (S.stage !== 3 || S.from === 'patch') outline(g, box(f, S.patch));
  say('picture', `${D.rows} by ${D.columns} patches; ${named(S.patch)} is chosen`);
  $('.here').textContent =
    `Patch ${S.patch}: row ${place(S.patch)[0]}, column ${place(S.patch)[1]}; position ${first() + S.patch} of the sequence`;
};
// What the stage shows over the picture: a value for each patch, or nothing.
const heat = () => {
  if (S.stage === 3) return attended();
  if (S.stage === 4 && map && map.of === 'turn') return map;
  return null;
};

// ---- 1 Cut
const strip = area => {
  // The largest tiles with which the whole sequence fits.
  const n = first() + D.rows * D.columns;
  let s = Math.min(area.h, 64);
  while (s > 2 && Math.floor(area.w / s) * Math.floor(area.h / s) < n) s -= 0.5;
  return { s, across: Math.max(1, Math.floor(area.w / s)) };
};
const tileAt = (area, i) => {
  const { s, across } = strip(area),
    at = first() + i,
    [r, c] = place(i),
    k = area.h / D.rows,
    t = S.apart;
  const x = (1 - t) * c * k + t * (at % across) * s,
    y = (1 - t) * r * k + t * Math.floor(at / across) * s;
  return [x, y, (1 - t) * k + t * (s - 1), (1 - t) * k + t * (s - 1)];
};
const drawSequence = () => {
  const area = open('sequence');
  if (!area) return;
  const { g } = area,
    { s } = strip(area),
    n = D.rows * D.columns;
  g.imageSmoothingEnabled = s < D.patch;
  for (let i = 0; i < n; i++) {
    const [r, c] = place(i);
    g.drawImage(photo, c * D.patch, r * D.patch, D.patch, D.patch, ...tileAt(area, i));
  }
  g.globalAlpha = S.apart;
  g.textAlign = 'center';
  g.textBaseline = 'middle';
  for (let k = 0; k < first(); k++) {
    g.fillStyle = k ? C.purple : C.orange;
    g.fillRect(k * s, 0, s - 1, s - 1);
    g.fillStyle = '#000';
    g.font = `${Math.max(6, Math.min(g.size, s / 2.6))}px system-ui, sans-serif`;
    g.fillText(k ? 'R' : 'CLS', k * s + s / 2, s / 2, s - 2);
  }
  g.globalAlpha = 1;
  outline(g, tileAt(area, S.patch));
  say('sequence', `CLS, ${D.registers ? `${D.registers} registers, ` : ''}then ${n} patches row by row`);
};
const drawPatch = () => {
  const area = open('patch');
  if (!area) return;
  const { g } = area,
    [r, c] = place(S.patch),
    k = Math.min(area.w, area.h);
  g.imageSmoothingEnabled = false;
  g.drawImage(photo, c * D.patch, r * D.patch, D.patch, D.patch, (area.w - k) / 2, 0, k, k);
  say('patch', named(S.patch));
};
const drawVector = () => {
  const area = open('vector');
  if (!area) return;
  const { g } = area,
    across = D.patch * D.channels,
    most = D.most_patch,
    value = (row, column) => D.patches.cell(S.patch, row * across + column);
  const w = area.w / across,
    h = area.h / D.patch;
  g.imageSmoothingEnabled = false;
  g.drawImage(
    image(D.patch, across, (row, column) => value(D.patch - 1 - row, column), [-most, most], 'diverging'),
    0,
    0,
    area.w,
    area.h,
  );
  g.textAlign = 'center';
  g.textBaseline = 'middle';
  g.font = `${Math.min(g.size, w / 2.4)}px system-ui, sans-serif`;
  for (let row = 0; row < D.patch; row++)
    for (let column = 0; column < across; column++) {
      if (column % D.channels === 0 && column) {
        g.fillStyle = '#000';
        g.fillRect(column * w - 0.5, row * h, 1, h);
      }
      if (w < 16) continue;
      const v = value(row, column);
      g.fillStyle = Math.abs(v) > 0.8 * most ? '#fff' : '#000';
      g.fillText(v.toFixed(1).replace('-', '−'), (column + 0.5) * w, (row + 0.5) * h);
    }
  say('vector', `${D.patch} rows of ${D.patch} pixels with red, green and blue each`);
};
const shapes = () => {
  const p = D.patch,
    n = D.rows * D.columns,
    long = p * p * D.channels,
    d = D.sequence.width;
  const sup = (...dims) => dims.join(' × ');
  $('.shapes').textContent =
    `x: ${sup(D.height, D.width, D.channels)} numbers, normalised → ${n} patches p: ${sup(p, p, D.channels)} each → ` +
    `f(p): ${long} numbers → W (${sup(d, long)}) f(p) + b: ${d} numbers → + v_pos: ${d} numbers → ` +
    `a sequence of 1${D.registers ? ` + ${D.registers}` : ''} + ${n} = ${D.sequence.shape[0]} vectors.`;
};

// ---- 2 Embed
const drawStrips = () => {
  const area = open('strips');
  if (!area) return;
  const { g } = area,
    d = D.sequence.width,
    at = first() + S.patch;
  const rows = [
    ['W f(p) + b', k => D.projected.cell(S.patch, k)],
    ['+ v_pos', k => D.positions.cell(at, k)],
    ['= v', k => D.sequence.cell(at, k)],
  ];
  let most = 1e-9;
  for (const [, value] of rows) for (let k = 0; k < d; k++) most = Math.max(most, Math.abs(value(k)));
  const left = g.size * 6,
    h = area.h / 3;
  g.imageSmoothingEnabled = false;
  g.textBaseline = 'middle';
  rows.forEach(([label, value], r) => {
    g.fillStyle = g.ink;
    g.fillText(label, 4, (r + 0.5) * h);
    const picture = image(1, d, (_, k) => value(k), [-most, most], 'diverging');
    g.drawImage(picture, left, r * h + 3, area.w - left, h - 6);
  });
  say('strips', `${named(S.patch)}: ${d} numbers from −${format(most)} (blue) to ${format(most)} (orange)`);
};
const drawFilters = () => {
  const area = open('filters');
  if (!area) return;
  const { g } = area,
    [n, p] = D.filters.shape,
    c = D.filters.width,
    each = p * p * c;
  let s = area.h;
  while (Math.floor(area.w / s) * Math.floor(area.h / s) < n) s -= 1;
  const across = Math.floor(area.w / s);
  g.imageSmoothingEnabled = false;
  for (let k = 0; k < n; k++) {
    let most = 1e-9;
    for (let i = 0; i < each; i++) most = Math.max(most, Math.abs(D.filters.at(k * each + i)));
    const tile = new ImageData(p, p);
    for (let i = 0; i < p * p; i++) {
      for (let j = 0; j < 3; j++)
        tile.data[i * 4 + j] = 128 + (127 * D.filters.at(k * each + i * c + j)) / most;
      tile.data[i * 4 + 3] = 255;
    }
    const small = node('canvas');
    small.width = small.height = p;
    small.getContext('2d').putImageData(tile, 0, 0);
    g.drawImage(small, (k % across) * s + 1, Math.floor(k / across) * s + 1, s - 2, s - 2);
  }
  let share = 0;
  for (let k = 0; k < n; k++) share += D.share.at(k);
  say('filters', `the first ${n} explain ${(100 * share).toFixed(0)} % of how W's rows differ`);
};
const drawAlike = () => {
  const kind = $('.alike').value,
    part = D[kind],
    n = D.rows * D.columns,
    none = kind === 'alike_positions' && !D.with_positions;
  let area = open('alike');
  const low = -1;
  if (area) {
    const { g } = area,
      k = Math.min(area.w, area.h),
      f = { x: (area.w - k) / 2, y: (area.h - k) / 2, k: k / D.width };
    g.imageSmoothingEnabled = false;
    pictures[kind] ||= image(
      D.rows * D.rows,
      D.columns * D.columns,
      (y, x) => {
        const down = D.rows * D.rows - 1 - y;
        const i = Math.floor(down / D.rows) * D.columns + Math.floor(x / D.columns);
        return part.cell(i, (down % D.rows) * D.columns + (x % D.columns));
      },
      [low, 1],
    );
    g.drawImage(pictures[kind], f.x, f.y, k, k);
    outline(g, box(f, S.patch));
    say('alike', `one small map for each of ${n} places`);
  }
  area = open('near');
  if (area) {
    const { g } = area,
      k = Math.min(area.w, area.h),
      f = { x: (area.w - k) / 2, y: (area.h - k) / 2, k: k / D.width };
    g.imageSmoothingEnabled = false;
    g.drawImage(
      onGrid(i => part.cell(S.patch, i), [low, 1]),
      f.x,
      f.y,
      k,
      k,
    );
    outline(g, box(f, S.patch));
    say('near', named(S.patch));
  }
  if (none) {
    $('.told-alike').textContent =
      'Position vectors are switched off in this run, so there is nothing to compare.';
    return;
  }
  let best = -1;
  for (let i = 0; i < n; i++)
    if (i !== S.patch && (best < 0 || part.cell(S.patch, i) > part.cell(S.patch, best))) best = i;
  $('.told-alike').textContent =
    `Cosine from −1 (dark) to 1 (bright). Most like ${named(S.patch)} is ${named(best)}, ` +
    `with ${format(part.cell(S.patch, best))}.`;
};

// ---- 3 Attend
const head = () => $('.head').value;
const position = () => (S.from === 'cls' ? 0 : first() + S.patch);
const layer = () => +$('.layer').value - 1;
// One row of attention: to every position of the sequence, averaged over heads for 'mean'.
const row = (A, which, from) => {
  const [heads, s] = A.shape;
  if (which !== 'mean') return k => A.at((+which * s + from) * s + k);
  return k => {
    let sum = 0;
    for (let h = 0; h < heads; h++) sum += A.at((h * s + from) * s + k);
    return sum / heads;
  };
};
const toPatches = value => {
  const values = Array.from({ length: D.rows * D.columns }, (_, i) => value(first() + i));
  return { values, most: Math.max(...values, 1e-12) };
};
const attended = () => {
  const method = $('.method').value;
  if (method === 'relevance') return map && map.of === 'relevance' ? map : null;
  if (method === 'rollout')
    return { ...toPatches(k => D.rollout.cell(position(), k)), unit: 'of the whole, by rollout' };
  const A = layers[layer()];
  return A ? { ...toPatches(row(A, head(), position())), unit: 'of the attention' } : null;
};
const drawHeads = () => {
  const area = open('heads');
  if (!area) return;
  const A = layers[layer()];
  if (!A) return;
  const { g } = area,
    names = ['mean', ...Array(D.heads).keys()];
  const fit = thumbs(area);
  g.imageSmoothingEnabled = false;
  g.textBaseline = 'top';
  names.forEach((name, k) => {
    const [x, y] = fit.at(k),
      { values, most } = toPatches(row(A, String(name), position()));
    g.fillStyle = g.ink;
    g.fillText(name === 'mean' ? 'mean' : `head ${name}`, x, y);
    const b = [x, y + g.size + 3, fit.s, fit.s];
    g.drawImage(
      onGrid(i => values[i], [0, most]),
      ...b,
    );
    if (String(name) === head()) outline(g, b);
  });
  say('heads', `layer ${layer() + 1}, ${D.heads} heads, seen from ${S.from === 'cls' ? 'CLS' : named(S.patch)}`);
};
const thumbs = area => {
  const n = D.heads + 1,
    line = (area.g ? area.g.size : 12) + 8;
  let s = area.h;
  while (s > 8 && Math.floor(area.w / (s + 8)) * Math.floor(area.h / (s + line)) < n) s -= 1;
  const across = Math.max(1, Math.floor(area.w / (s + 8)));
  return { s, line, across, at: k => [(k % across) * (s + 8) + 2, Math.floor(k / across) * (s + line) + 2] };
};
const tellHeat = () => {
  const told = $('.told-heat'),
    shares = $('.shares'),
    shown = attended(),
    method = $('.method').value;
  shares.replaceChildren();
  if (!shown) {
    told.textContent =
      method !== 'relevance'
        ? 'The attentions of this layer are on their way …'
        : D.bars.length
          ? 'Asking the model …'
          : 'Relevance asks for a class; this model has none.';
    return;
  }
  const whom = S.from === 'cls' ? 'CLS' : named(S.patch),
    best = shown.values.indexOf(Math.max(...shown.values));
  if (method === 'relevance') {
    told.textContent =
      `Relevance ${map.words}: gradient times attention, what is positive, averaged over heads, all layers ` +
      `together. Most at ${named(best)}. Only their proportions count: the numbers have no unit.`;
    return;
  }
  const all =
    method === 'rollout' ? k => D.rollout.cell(position(), k) : row(layers[layer()], head(), position());
  let before = 0;
  for (let k = 1; k < first(); k++) before += all(k);
  const onPatches = shown.values.reduce((a, b) => a + b, 0);
  for (const [cls, words, share] of [
    ['cls', 'CLS', all(0)],
    ['registers', 'registers', before],
    ['patches', 'patches', onPatches],
  ]) {
    if (cls === 'registers' && !D.registers) continue;
    const said = `${words} ${(100 * share).toFixed(0)} %`;
    const part = node('span', share > 0.15 ? said : '', cls);
    part.style.flex = `${share} 0 0`;
    part.title = said;
    shares.append(part);
  }
  shares.setAttribute('aria-label', [...shares.children].map(p => p.title).join(', '));
  const how =
    method === 'rollout'
      ? 'Rollout through all layers'
      : `Layer ${layer() + 1}, ${head() === 'mean' ? 'mean of its heads' : `head ${head()}`}`;
  told.textContent =
    `${how}: ${whom} takes ${(100 * onPatches).toFixed(0)} % from patches, most from ${named(best)} ` +
    `(${(100 * shown.values[best]).toFixed(1)} %).`;
};
const explain = async () => {
  if (!D || !D.bars.length) return;
  const key = D.key,
    target = +$('.target').value;
  if (map && map.of === 'relevance' && map.key === key && map.target === target) return;
  map = null;
  const said = await ask('explain', { target });
  if (!said || D.key !== key || +$('.target').value !== target) return;
  const raw = Uint8Array.from(atob(said.map), s => s.charCodeAt(0)),
    values = [...new Float32Array(raw.buffer)];
  map = { of: 'relevance', key, target, values, most: Math.max(...values, 1e-12), unit: '', words: said.words };
  soon();
};

// ---- 4 Experiment
const drawAnswer = () => {
  const place = $('.answer'),
    bars = (answer || D).bars;
  place.replaceChildren();
  for (const b of bars) {
    const track = node('div', undefined, 'track'),
      now = node('i', undefined, 'now'),
      was = node('i', undefined, 'was');
    now.style.width = `${100 * b.now}%`;
    was.style.left = `${100 * b.untouched}%`;
    was.title = `untouched picture: ${(100 * b.untouched).toFixed(1)} %`;
    track.append(now, was);
    if (b.ordered !== null) {
      const ordered = node('i', undefined, 'ordered');
      ordered.style.left = `${100 * b.ordered}%`;
      ordered.title = `before the shuffle: ${(100 * b.ordered).toFixed(1)} %`;
      track.append(ordered);
    }
    place.append(node('b', b.label), track, node('span', `${(100 * b.now).toFixed(1)} %`, 'number'));
  }
  const n = D.rows * D.columns,
    seen = `${n - S.hidden.size} of ${n} patches are in the sequence`;
  const like = (answer || D).likeness;
  $('.told-change').textContent =
    like === null
      ? `${seen}. Blue: now. Orange line: the untouched picture.` +
        (bars.length && bars[0].ordered !== null ? ' Green line: this picture before the shuffle.' : '')
      : `${seen}. The cosine between CLS now and for the untouched picture is ${format(like)}.`;
  $('.toggle').textContent = S.hidden.has(S.patch) ? 'Show the chosen patch' : 'Hide the chosen patch';
};
let busy = false,
  again = false;
const changed = async () => {
  endTurning();
  $('.told-turn').textContent = '';
  if (map && map.of === 'turn') map = null;
  soon();
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  do {
    again = false;
    const key = D.key;
    const said = await ask('change', { hidden: [...S.hidden], paint: painted() });
    if (said && D.key === key) answer = said;
    soon();
  } while (again);
  busy = false;
};
const painted = () => {
  const { data } = paint.getContext('2d').getImageData(0, 0, D.width, D.height);
  if (!data.some(v => v)) return null;
  let text = '';
  for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
  return btoa(text);
};
const inTurn = async () => {
  const key = D.key,
    told = $('.told-turn'),
    target = (answer || D).bars.reduce((a, b) => (b.now > a.now ? b : a), { now: -1 }),
    paint = painted();
  if (!D.bars.length) {
    told.textContent = 'This question is about a class; this model has none.';
    return;
  }
  const n = D.rows * D.columns,
    values = new Array(n).fill(0),
    hidden = [...S.hidden],
    left = [...Array(n).keys()].filter(i => !S.hidden.has(i));
  // Another press, a change of the picture or a new run ends it: then `turning` is another one's.
  const mine = (turning = {});
  $('.turn').textContent = 'Stop';
  for (let i = 0; turning === mine && i < left.length; i += 8) {
    const asked = left.slice(i, i + 8),
      said = await ask('occlude', { target: target.class, hidden, asked, paint });
    if (!said || D.key !== key || turning !== mine) break;
    asked.forEach((patch, k) => (values[patch] = Math.max(0, target.now - said.probabilities[k])));
    const most = Math.max(...values),
      best = values.indexOf(most);
    map = { of: 'turn', key, values, most: Math.max(most, 1e-12), unit: `of ${target.label} lost` };
    told.textContent =
      `${Math.min(left.length, i + 8)} of ${left.length} patches hidden in turn: ` +
      (most < 5e-4
        ? `without any of them ${target.label} stays as it is.`
        : `without ${named(best)}, ${target.label} falls by ${(100 * most).toFixed(1)} points, the most.`);
    soon();
  }
  if (turning === mine) endTurning();
};
let turning = null;
const endTurning = () => {
  turning = null;
  $('.turn').textContent = 'Hide each patch in turn';
};
const compare = async () => {
  const place = $('.others');
  place.replaceChildren(node('p', 'Asking …'));
  const said = await ask('compare', {});
  if (!said) return place.replaceChildren();
  const table = node('table'),
    head = node('tr'),
    body = node('tbody');
  for (const h of ['Model', 'How it learned', 'What it says']) head.append(node('th', h));
  for (const r of said.rows) {
    const line = node('tr');
    const top = r.top.map(([label, p]) => `${label} ${(100 * p).toFixed(0)} %`).join(', ');
    line.append(node('td', r.model), node('td', r.how), node('td', top || '—'));
    body.append(line);
  }
  const thead = node('thead');
  thead.append(head);
  table.append(thead, body);
  place.replaceChildren(table);
};

// ---- the server, and redrawing once for each animation frame
const ask = async (what, request) => {
  const said = await server[what]({ key: D.key, ...request });
  alarm.textContent = said ? said.error || '' : 'The server did not answer; try again.';
  return said && !said.error ? said : null;
};
let pictures = {};
const draw = () => {
  pending = 0;
  if (!D) return;
  drawPicture();
  if (S.stage === 1) {
    drawSequence();
    drawPatch();
    drawVector();
  } else if (S.stage === 2) {
    drawStrips();
    drawFilters();
    drawAlike();
  } else if (S.stage === 3) {
    drawHeads();
    tellHeat();
  } else drawAnswer();
  $('.chosen').value = S.patch;
  $('.chosen').setAttribute('aria-valuetext', named(S.patch));
};
const soon = () => {
  if (!pending) pending = requestAnimationFrame(draw);
};
const fetchLayer = async l => {
  const mine = D,
    file = mine.layers[l];
  if (!file || layers[l] !== undefined) return;
  layers[l] = null;
  const said = await fetch(file.file.url);
  if (D !== mine) return;
  if (!said.ok) {
    delete layers[l];
    alarm.textContent = 'The attentions of this run are no longer on the server; change a control to run again.';
    return;
  }
  layers[l] = unpack(await said.arrayBuffer(), file.parts).A;
  soon();
};
// Small models: all layers at once; large ones: the chosen layer and its neighbours.
const fetchLayers = () => {
  const l = layer(),
    cells = D.heads * D.sequence.shape[0] ** 2 * D.layers_count;
  fetchLayer(l);
  if (cells < 1e6) for (let k = 0; k < D.layers_count; k++) fetchLayer(k);
  else [l + 1, l - 1].forEach(fetchLayer);
};

// ---- controls
const choose = window.Glassbox.stages(element, stage => {
  S.stage = stage;
  element.querySelector('.gb-vit').classList.toggle('painting', stage === 4 && S.mode === 'paint');
  soon();
});
const pick = patch => {
  S.patch = clamp(patch, 0, D.rows * D.columns - 1);
  soon();
};
const under = (panel, event, within) => {
  const canvas = canvases[panel],
    b = canvas.getBoundingClientRect(),
    area = { w: b.width, h: b.height };
  const f = within(area),
    column = Math.floor((event.clientX - b.left - f.x) / f.k),
    row = Math.floor((event.clientY - b.top - f.y) / f.k);
  return { x: column, y: row, inside: column >= 0 && row >= 0 && column < D.width && row < D.height };
};
const patchOf = ({ x, y }) => Math.floor(y / D.patch) * D.columns + Math.floor(x / D.patch);
const fitted = area => {
  const k = Math.min(area.w, area.h);
  return { x: (area.w - k) / 2, y: (area.h - k) / 2, k: k / D.width };
};
let hiding = null,
  stroke = null;
const touch = (event, begins) => {
  const at = under('picture', event, frame);
  if (!at.inside) return;
  const patch = patchOf(at);
  if (S.stage === 4 && S.mode === 'paint' && (begins || event.buttons)) {
    const g = paint.getContext('2d');
    g.fillStyle = g.strokeStyle = $('.colour').value;
    g.lineWidth = Math.max(1, D.width / 16);
    g.lineCap = 'round';
    g.beginPath();
    g.moveTo(...(stroke && !begins ? stroke : [at.x + 0.4, at.y + 0.5]));
    g.lineTo(at.x + 0.5, at.y + 0.5);
    g.stroke();
    stroke = [at.x + 0.5, at.y + 0.5];
    changed();
  } else if (S.stage === 4 && S.mode === 'hide' && (begins || event.buttons)) {
    if (begins) hiding = !S.hidden.has(patch);
    if (S.hidden.has(patch) !== hiding) {
      if (hiding) S.hidden.add(patch);
      else S.hidden.delete(patch);
      changed();
    }
  } else if (S.stage === 3 && (begins || event.buttons)) S.from = 'patch';
  if (S.stage !== 3 || begins || event.buttons) pick(patch);
  fromButton();
};
canvases.picture.addEventListener('pointerdown', e => {
  if (!D) return;
  canvases.picture.setPointerCapture(e.pointerId);
  stroke = null;
  touch(e, true);
});
canvases.picture.addEventListener('pointermove', e => D && touch(e, false));
for (const panel of ['alike', 'near'])
  canvases[panel].addEventListener('pointermove', e => {
    const at = D && under(panel, e, fitted);
    if (at && at.inside) pick(patchOf(at));
  });
canvases.sequence.addEventListener('pointermove', e => {
  if (!D) return;
  const b = canvases.sequence.getBoundingClientRect(),
    x = e.clientX - b.left,
    y = e.clientY - b.top;
  for (let i = 0; i < D.rows * D.columns; i++) {
    const [left, top, w, h] = tileAt({ w: b.width, h: b.height }, i);
    if (x >= left && x < left + w && y >= top && y < top + h) return pick(i);
  }
});
canvases.vector.addEventListener('pointermove', e => {
  if (!D) return;
  const b = canvases.vector.getBoundingClientRect(),
    across = D.patch * D.channels;
  const r = clamp(Math.floor(((e.clientY - b.top) / b.height) * D.patch), 0, D.patch - 1),
    c = clamp(Math.floor(((e.clientX - b.left) / b.width) * across), 0, across - 1);
  const colour = ['red', 'green', 'blue'][c % D.channels];
  canvases.vector.title =
    `number ${r * across + c}: pixel row ${r}, column ${Math.floor(c / D.channels)}, ${colour}: ` +
    format(D.patches.cell(S.patch, r * across + c));
});
canvases.heads.addEventListener('click', e => {
  if (!D) return;
  const b = canvases.heads.getBoundingClientRect(),
    area = { w: b.width, h: b.height, g: canvases.heads.getContext('2d') },
    fit = thumbs(area);
  for (let k = 0; k <= D.heads; k++) {
    const [x, y] = fit.at(k);
    if (e.clientX - b.left >= x && e.clientX - b.left < x + fit.s && e.clientY - b.top >= y && e.clientY - b.top < y + fit.s + fit.line) {
      $('.head').value = k ? String(k - 1) : 'mean';
      $('.method').value = 'attention';
      return settings();
    }
  }
});
$('.chosen').addEventListener('input', e => {
  if (!D) return;
  if (S.stage === 3) S.from = 'patch';
  fromButton();
  pick(+e.target.value);
});
const fromButton = () => $('.from-cls').setAttribute('aria-pressed', S.from === 'cls');
$('.from-cls').addEventListener('click', () => {
  S.from = 'cls';
  fromButton();
  soon();
});
const settings = () => {
  const method = $('.method').value;
  for (const n of $$('.for-layer')) n.hidden = method !== 'attention';
  canvases.heads.closest('figure').hidden = method !== 'attention';
  $('.for-class').hidden = method !== 'relevance';
  $('.from-cls').hidden = method === 'relevance';
  $('.layer-number').textContent = `${layer() + 1} of ${D.layers_count}`;
  $('.layer').setAttribute('aria-valuetext', `layer ${layer() + 1} of ${D.layers_count}`);
  fetchLayers();
  if (method === 'relevance') explain();
  soon();
};
for (const q of ['.method', '.head', '.target', '.layer'])
  $(q).addEventListener('input', () => D && settings());
$('.alike').addEventListener('change', () => soon());
$('.apart').addEventListener('input', e => {
  S.apart = +e.target.value / 1000;
  soon();
});
const slideApart = () => {
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const began = performance.now();
  const step = now => {
    if (!element.isConnected) return;
    const t = still ? 1 : clamp((now - began) / 1500, 0, 1);
    S.apart = t * t * (3 - 2 * t);
    $('.apart').value = 1000 * S.apart;
    soon();
    if (t < 1) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
};
$('.slide-apart').addEventListener('click', slideApart);
for (const button of $$('.mode'))
  button.addEventListener('click', () => {
    S.mode = button.dataset.mode;
    for (const b of $$('.mode')) b.setAttribute('aria-pressed', b === button);
    $('.gb-vit').classList.toggle('painting', S.mode === 'paint');
  });
const after = change => () => {
  if (!D) return;
  change();
  changed();
};
$('.toggle').addEventListener(
  'click',
  after(() => {
    if (!S.hidden.delete(S.patch)) S.hidden.add(S.patch);
  }),
);
$('.half').addEventListener(
  'click',
  after(() => {
    const all = [...Array(D.rows * D.columns).keys()];
    for (let i = all.length - 1; i > 0; i--) {
      const j = Math.floor(Math.random() * (i + 1));
      [all[i], all[j]] = [all[j], all[i]];
    }
    S.hidden = new Set(all.slice(0, all.length >> 1));
  }),
);
const wipe = () => {
  S.hidden = new Set();
  paint = node('canvas');
  paint.width = D.width;
  paint.height = D.height;
  $('.told-turn').textContent = '';
};
$('.undo').addEventListener('click', after(wipe));
$('.turn').addEventListener('click', () => {
  if (!D) return;
  if (turning) endTurning();
  else inTurn();
});
$('.compare').addEventListener('click', () => D && compare());

// ---- a new run
const bitmap = () => {
  const data = new ImageData(D.width, D.height);
  for (let i = 0; i < D.width * D.height; i++) {
    for (let j = 0; j < 3; j++) data.data[i * 4 + j] = D.pixels.at(i * D.channels + j);
    data.data[i * 4 + 3] = 255;
  }
  const canvas = node('canvas');
  canvas.width = D.width;
  canvas.height = D.height;
  canvas.getContext('2d').putImageData(data, 0, 0);
  return canvas;
};
const fill = (select, options, kept) => {
  select.replaceChildren(
    ...options.map(([value, words]) => {
      const o = node('option', words);
      o.value = value;
      return o;
    }),
  );
  if (options.some(([value]) => String(value) === kept)) select.value = kept;
};
const load = async () => {
  const v = props.value;
  if (!v || !v.parts) return;
  const said = await fetch(v.file.url);
  if (!said.ok) {
    alarm.textContent = 'The picture of this run is no longer on the server; change any control to run again.';
    return;
  }
  const buffer = await said.arrayBuffer();
  if (props.value !== v) return;
  const before = D;
  D = { ...v, ...unpack(buffer, v.parts) };
  endTurning();
  layers = [];
  pictures = {};
  map = answer = null;
  D.most_patch = Math.max(...D.patches.extent().map(Math.abs), 1e-9);
  photo = bitmap();
  // The same picture in the same grid keeps what was chosen, hidden and painted.
  const kept = before && before.picture === D.picture && before.rows === D.rows && before.width === D.width;
  if (!kept) {
    S.patch = Math.floor(D.rows / 2) * D.columns + Math.floor(D.columns / 2);
    S.from = 'cls';
    fromButton();
    $('.method').value = 'attention';
    $('.head').value = 'mean';
    wipe();
  }
  $('.others').replaceChildren();
  $('.chosen').max = D.rows * D.columns - 1;
  $('.layer').max = D.layers_count;
  canvases.heads.classList.toggle('few', D.heads < 5);
  if (!before || before.model !== D.model) {
    $('.layer').value = D.layers_count;
    fill($('.head'), [['mean', 'mean of all'], ...[...Array(D.heads).keys()].map(h => [h, h])], $('.head').value);
  }
  const top = D.bars.length ? D.bars.reduce((a, b) => (b.now > a.now ? b : a)).class : '';
  fill($('.target'), D.bars.map(b => [b.class, b.label]), String(top));
  shapes();
  $('.gb-vit').dataset.run = D.key;
  settings();
  if (kept && (S.hidden.size || painted())) changed();
};
watch('value', load);
load();
window.Glassbox.redraw(element, soon);
choose(1);
trigger('shown');
