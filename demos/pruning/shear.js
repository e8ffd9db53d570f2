// Gates that close, step by step, and the lines of the run. All values came with the run: nothing is
// computed here but the counts of what is shown.
const { Chart, image, unpack, format, COLOURS: C, redraw } = window.Glassbox;
const $ = q => element.querySelector(q);
const canvases = Object.fromEntries([...element.querySelectorAll('canvas')].map(c => [c.dataset.panel, c]));
const charts = Object.fromEntries(
  Object.keys(canvases)
    .filter(name => !name.startsWith('map-'))
    .map(name => [name, new Chart(canvases[name])]),
);
const slider = $('.step'),
  play = $('.play');
const KINDS = ['layers', 'width', 'heads', 'units'];
const WORDS = { layers: 'layers', width: 'hidden dimensions', heads: 'heads', units: 'MLP units' };
const TINTS = [C.blue, C.vermilion, C.green, C.purple],
  DASHES = [[], [6, 4], [2, 3], [9, 3, 2, 3]];
let D = null,
  at = 0, // position of the slider
  cursor = null, // {kind, index} of the gate that is read out
  timer = 0,
  pending = 0;

// ---- what the slider stands on
const maps = () => (D ? D.layers.shape[0] : 0);
const decided = () => D.decided && at === maps();
const last = () => maps() - 1 + (D.decided ? 1 : 0);
// Of all frames, the one that is shown.
const frame = () => D.numbers.length - maps() + Math.min(at, maps() - 1);
const size = kind => D[kind].length / maps();
const value = (kind, i) => (decided() ? D[`z.${kind}`].at(i) : D[kind].at(Math.min(at, maps() - 1) * size(kind) + i)) / 255;
const kept = (kind, i) => D[`kept.${kind}`].at(i) === 1;
const rows = kind => (kind === 'width' ? 1 : D.source[0]);
// The constraints of a kind: layers, width, heads of each layer, units of each layer.
const constraints = kind => {
  const L = D.source[0];
  return { layers: [0, 1], width: [1, 2], heads: [2, 2 + L], units: [2 + L, 2 + 2 * L] }[kind];
};
const sum = (part, f, kind) => {
  let total = 0;
  for (let c = constraints(kind)[0]; c < constraints(kind)[1]; c++) total += part.cell(f, c);
  return total;
};
const mean = (part, f, kind) => sum(part, f, kind) / (constraints(kind)[1] - constraints(kind)[0]);
const round = v => v.toFixed(v < 100 ? 1 : 0);

// ---- the gates
const drawMap = kind => {
  const canvas = canvases[`map-${kind}`],
    box = canvas.getBoundingClientRect(),
    d = devicePixelRatio || 1;
  if (box.width < 2) return;
  canvas.width = Math.round(box.width * d);
  canvas.height = Math.round(box.height * d);
  const g = canvas.getContext('2d');
  g.setTransform(d, 0, 0, d, 0, 0);
  const R = rows(kind),
    N = size(kind) / R,
    w = box.width / N,
    h = box.height / R,
    gap = w > 12 ? 1 : 0,
    bar = decided() ? 4 : 0;
  g.imageSmoothingEnabled = w * d < 1; // narrower than a pixel: their mean
  for (let r = 0; r < R; r++) {
    const picture = image(1, N, (_, c) => value(kind, r * N + c), [0, 1]);
    g.drawImage(picture, 0, 0, N, 1, 0, r * h, box.width, h - 1 - bar);
  }
  const font = parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.7;
  g.font = `${font}px system-ui, sans-serif`;
  g.textAlign = 'center';
  g.textBaseline = 'middle';
  const ink = getComputedStyle(canvas).color;
  for (let i = 0; i < R * N; i++) {
    const x = (i % N) * w,
      y = Math.floor(i / N) * h,
      z = value(kind, i);
    if (decided() && kept(kind, i)) {
      // The bar beneath says that it stays, whatever its colour.
      g.fillStyle = ink;
      g.fillRect(x, y + h - bar, Math.max(0.7, w - gap), bar - 1);
    }
    if (w > font * 2.2) {
      g.fillStyle = z > 0.6 ? '#000' : '#fff';
      const text = decided() && !kept(kind, i) ? '× cut' : z.toFixed(2);
      g.fillText(text, x + w / 2, y + (h - bar) / 2);
    }
    if (gap) {
      g.fillStyle = getComputedStyle(canvas).getPropertyValue('--gb-ground') || '#fff';
      g.fillRect(x + w - gap, y, gap, h);
    }
  }
  if (cursor && cursor.kind === kind) {
    g.strokeStyle = C.vermilion;
    g.lineWidth = 2;
    const x = (cursor.index % N) * w,
      y = Math.floor(cursor.index / N) * h;
    g.strokeRect(x - 1, y + 1, Math.max(3, w), h - 3);
  }
};
const name = (kind, i) => {
  const N = size(kind) / rows(kind);
  if (kind === 'layers') return `Layer ${i + 1}`;
  if (kind === 'width') return `Hidden dimension ${i + 1}`;
  return `Layer ${Math.floor(i / N) + 1}, ${kind === 'heads' ? 'head' : 'unit'} ${(i % N) + 1}`;
};
const read = () => {
  if (!cursor || cursor.index >= size(cursor.kind)) {
    $('.read').textContent = 'Point at a gate, or walk through the maps with the arrow keys.';
    return;
  }
  const { kind, index } = cursor,
    z = value(kind, index).toFixed(3);
  $('.read').textContent =
    `${name(kind, index)}: ` +
    (!decided() ? `open with probability ${z}.` : kept(kind, index) ? `kept, its gate is ${z}.` : 'cut.');
};
const counts = () => {
  if (!maps()) return 'The search begins.';
  if (decided()) {
    const stays = KINDS.map(kind => {
      let n = 0;
      for (let i = 0; i < size(kind); i++) n += kept(kind, i);
      return `${n} of ${size(kind)} ${WORDS[kind]}`;
    });
    return `The cut: ${stays.join(', ')} stay; a bar stands beneath what is kept.`;
  }
  const f = frame(),
    parts = KINDS.map(kind => {
      let open = 0;
      for (let i = 0; i < size(kind); i++) open += value(kind, i) > 0.5;
      return (
        `${WORDS[kind]} ${round(sum(D.sizes, f, kind))} of ${size(kind)} expected open, ` +
        `target ${round(sum(D.goal, f, kind))}, ${open} above one half`
      );
    });
  return `Step ${D.numbers[f]} of ${D.steps}: ${parts.join('; ')}.`;
};

// ---- the lines
const COUNTS = { layers: 0, width: 1, heads: 2, units: 3 };
const span = values => {
  const low = Math.min(...values),
    high = Math.max(...values),
    room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - room, high + room];
};
const line = (chart, part, c, options) =>
  chart.line(D.numbers.length, f => D.numbers[f], f => part.cell(f, c), options);
const here = chart => {
  if (D.walk && maps()) chart.vertical(D.numbers[frame()]);
};
const drawSizes = kind => {
  const chart = charts[kind],
    [from, to] = constraints(kind);
  chart.open({ x: [0, D.steps], y: [0, D.source[COUNTS[kind]] * 1.04], xTitle: 'step', margin: 2.9 });
  for (let c = from; c < to; c++) line(chart, D.sizes, c, { colour: C.blue });
  line(chart, D.goal, from, { colour: C.vermilion, dash: [6, 4], width: 2 });
  here(chart);
};
const drawMultipliers = which => {
  const part = D[which],
    chart = charts[which],
    values = [0];
  for (let f = 0; f < D.numbers.length; f++) for (const kind of KINDS) values.push(mean(part, f, kind));
  chart.open({ x: [0, D.steps], y: span(which === 'linear' ? values : values.slice(1)), xTitle: 'step', margin: 3.4 });
  KINDS.forEach((kind, k) =>
    chart.line(D.numbers.length, f => D.numbers[f], f => mean(part, f, kind), { colour: TINTS[k], dash: DASHES[k], width: 2 }),
  );
  here(chart);
};
const losses = (chart, part, every, steps, options) =>
  chart.line(part.length, i => Math.min(steps, (i + 0.5) * every), i => part.at(i), options);
const drawLoss = () => {
  const chart = charts.loss,
    part = D.searched;
  chart.open({
    x: [0, D.steps],
    y: span(part.extent()),
    xTitle: D.every.searched > 1 ? `step, mean of ${D.every.searched}` : 'step',
    yTitle: 'nats per token',
    margin: 3.2,
  });
  losses(chart, part, D.every.searched, D.steps, { colour: C.blue });
  here(chart);
};
const drawTraining = () => {
  const chart = charts.training,
    { trained, scratch, dots, every } = D;
  const all = [...dots.map(p => p.y)];
  for (const part of [trained, scratch]) if (part.length) all.push(...part.extent());
  chart.open({
    x: [0, D.training],
    y: span(all),
    xTitle: every.trained > 1 ? `step, mean of ${every.trained}` : 'step',
    yTitle: 'nats per token; ● on held-out text',
  });
  [trained, scratch].forEach((part, k) =>
    losses(chart, part, every.trained, D.training, { colour: TINTS[k], dash: DASHES[k], width: 2 }),
  );
  for (const { line, x, y } of dots) chart.dot(x, y, { colour: TINTS[line] });
  chart.say(
    `Loss after the cut. Held-out losses: ${dots.map(p => `${p.line ? 'from scratch' : 'sheared'} at step ${p.x}: ${p.y.toFixed(3)}`).join('; ')}`,
  );
};
const draw = () => {
  pending = 0;
  if (!D || !D.numbers.length || !charts.layers.visible) return;
  for (const kind of KINDS) {
    drawMap(kind);
    drawSizes(kind);
    const f = frame();
    charts[kind].say(`${WORDS[kind]} at step ${D.numbers[f]}: s ${round(sum(D.sizes, f, kind))}, t ${round(sum(D.goal, f, kind))}`);
  }
  drawLoss();
  drawMultipliers('linear');
  drawMultipliers('quadratic');
  if (D.dots.length) drawTraining();
};
const soon = () => {
  if (!pending) pending = requestAnimationFrame(draw);
};

// ---- walking through the run
const go = to => {
  at = Math.max(0, Math.min(last(), to));
  slider.value = at;
  const words = decided() ? 'the cut' : `step ${D.numbers[frame()]}`;
  slider.setAttribute('aria-valuetext', words);
  $('.counts').textContent = counts();
  read();
  soon();
};
const pause = () => {
  clearInterval(timer);
  timer = 0;
  play.textContent = 'Play';
};
play.addEventListener('click', () => {
  if (timer) return pause();
  if (at >= last()) go(0);
  play.textContent = 'Pause';
  timer = setInterval(() => {
    if (!D || at >= last() || !element.isConnected) pause();
    else go(at + 1);
  }, 120);
});
slider.addEventListener('input', () => {
  pause();
  go(+slider.value);
});
for (const [panel, chart] of Object.entries(charts)) {
  if (panel === 'training') continue;
  chart.canvas.addEventListener('click', event => {
    if (!D || !D.walk) return;
    const step = chart.under(event),
      far = n => Math.abs(n - step);
    pause();
    go(D.numbers.reduce((best, n, i) => (far(n) < far(D.numbers[best]) ? i : best), 0));
  });
}
const point = (kind, index) => {
  cursor = { kind, index };
  read();
  soon();
};
for (const kind of KINDS) {
  const canvas = canvases[`map-${kind}`];
  canvas.tabIndex = 0;
  canvas.addEventListener('pointermove', event => {
    if (!D || !maps()) return;
    const box = canvas.getBoundingClientRect(),
      R = rows(kind),
      N = size(kind) / R,
      cell = (v, whole, count) => Math.max(0, Math.min(count - 1, Math.floor((v / whole) * count)));
    point(kind, cell(event.clientY - box.top, box.height, R) * N + cell(event.clientX - box.left, box.width, N));
  });
  canvas.addEventListener('keydown', event => {
    if (!D || !maps()) return;
    const N = size(kind) / rows(kind),
      by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: N, ArrowUp: -N }[event.key];
    if (!by) return;
    event.preventDefault();
    const to = cursor && cursor.kind === kind ? cursor.index + by * (event.shiftKey ? 10 : 1) : 0;
    if (to >= 0 && to < size(kind)) point(kind, to);
  });
}

// ---- what comes from the server
const load = async () => {
  const v = props.value;
  if (!v || !v.parts) return;
  const said = await fetch(v.file.url);
  if (props.value !== v) return;
  if (!said.ok) {
    $('.alarm').textContent = 'This run is no longer on the server; start it again.';
    return;
  }
  const buffer = await said.arrayBuffer();
  if (props.value !== v) return;
  pause();
  D = { ...v, ...unpack(buffer, v.parts) };
  $('.alarm').textContent = '';
  $('.nothing').hidden = true;
  $('.told').textContent = v.told;
  $('.holds').hidden = !v.numbers.length;
  $('.after').hidden = !v.dots.length;
  play.disabled = slider.disabled = !v.walk;
  const L = v.source[0];
  for (const kind of ['layers', 'heads', 'units']) canvases[`map-${kind}`].style.height = `${1.4 * L}rem`;
  slider.max = Math.max(0, last());
  if (v.numbers.length) go(last());
  const { dataset } = element.firstElementChild;
  dataset.run = v.key;
  dataset.done = v.done;
};
watch('value', load);
redraw(element, soon);
load();
// The first look at the stage asks for the run that ships; it may lie below what a phone shows at first.
const eye = new IntersectionObserver(
  entries => {
    if (!entries.some(entry => entry.isIntersecting)) return;
    eye.disconnect();
    trigger('seen');
  },
  { rootMargin: '5000px 0px' },
);
eye.observe(element);
