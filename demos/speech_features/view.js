// The seven stages of one run, on one cursor. Everything drawn comes from the run's trace: packed with
// the value, or fetched for one cell by server.closeup once the cursor rests.
const { Chart, image, unpack, format, COLOURS: C } = window.Glassbox;
const $ = q => element.querySelector(q),
  $$ = q => [...element.querySelectorAll(q)];
const charts = Object.fromEntries($$('canvas').map(c => [c.dataset.panel, new Chart(c)]));
const slider = $('.at'),
  where = $('.where'),
  alarm = $('.alarm'),
  scale = $('.scale'),
  bandSlider = $('.band-at');
const S = { frame: 0, band: 0, bin: 0, stage: 1, from: 0, to: 1 };
let D = null,
  near = null,
  pending = 0,
  timer = 0,
  asked = 0,
  pictures = {};

// ---- the cursor's places: samples are counted from the first sample of the sound
const clamp = (v, low, high) => Math.max(low, Math.min(high, v));
const start = f => D.start + f * D.hop; // first sample of frame f
const centre = f => start(f) + D.length / 2;
const frameAt = sample => clamp(Math.round((sample - D.length / 2 - D.start) / D.hop), 0, D.frames - 1);
const ms = sample => (sample / D.rate) * 1000;
const sampleOf = t => (t / 1000) * D.rate;
const clip = (v, n) => clamp(Math.round(v), 0, n);
const title = (panel, options = {}) => ({ xTitle: D.panels[panel].x, yTitle: D.panels[panel].y, ...options });

// ---- stills: drawn once for each run, size and zoom; the cursor is an element that moves over them
const range = () => [ms(S.from), ms(S.to)];
const BAR = 92;
const stills = () => {
  if (!D || !charts.wave.visible) return;
  const top = Math.max(1e-4, D.peak * 1.08);
  charts.wave
    .open(title('wave', { x: range(), y: [-top, top], right: BAR }))
    .envelope(D.samples, clip(S.from, D.count), clip(S.to, D.count), ms);
  const first = frameAt(S.from),
    last = Math.max(first + 1, frameAt(S.to) + 1);
  const map = charts.log_mel.open(title('log_mel', { x: range(), y: [0, D.bands], right: BAR }));
  // A frame's column is as wide as the stride and stands at the middle of its window.
  const x0 = map.sx(ms(centre(0) - D.hop / 2)),
    x1 = map.sx(ms(centre(D.frames - 1) + D.hop / 2));
  map.clip(g => {
    g.imageSmoothingEnabled = last - first > map.right - map.left;
    g.drawImage(pictures.log_mel, x0, map.top, x1 - x0, map.bottom - map.top);
  });
  map.colourBar(D.extent, D.unit);
  if (S.stage === 4) framesPicture();
  move();
};
const framesPicture = () => {
  const chart = charts.frames.open(title('frames', { x: [0, D.length], y: [0, D.frames], right: BAR }));
  chart
    .colourBar([-D.swing, D.swing], '', 'diverging')
    .heat(
      (pictures.frames ||= image(
        Math.min(D.frames, 300),
        Math.min(D.length, 400),
        (r, c) =>
          D.windowed.cell(
            Math.floor((r * D.frames) / Math.min(D.frames, 300)),
            Math.floor((c * D.length) / Math.min(D.length, 400)),
          ),
        [-D.swing, D.swing],
        'diverging',
      )),
    );
};

// ---- what depends on the cursor: redrawn once for each animation frame
const around = half => [centre(S.frame) - half, centre(S.frame) + half];
const inside = (a, b, n) => [clamp(Math.floor(a), 0, n), clamp(Math.ceil(b), 0, n)];
const peakNear = (a, b) => {
  let p = 1e-5;
  for (let i = a; i < b; i++) p = Math.max(p, Math.abs(D.samples.at(i)));
  return p * 1.15;
};
const quantized = i => D.signal.at(clamp(i - D.start, 0, D.signal.length - 1));
const draw = {
  1() {
    const [a, b] = around(0.02 * D.rate),
      [i, j] = inside(a, b, D.count),
      p = peakNear(i, j);
    charts.zoom
      .open(title('zoom', { x: [ms(a), ms(b)], y: [-p, p] }))
      .band(ms(start(S.frame)), ms(start(S.frame) + D.length), { alpha: 0.14 })
      .line(
        j - i,
        k => ms(i + k),
        k => D.samples.at(i + k),
        { colour: C.blue },
      )
      .horizontal(0)
      .note(ms(start(S.frame)), p, `this frame: ${format(ms(D.length))} ms`, { colour: C.orange });
  },
  2() {
    const half = Math.max(2, (8 / D.rate) * 1000),
      [a, b] = around((half / 1000) * D.rate),
      [i, j] = inside(a, b, D.count);
    const p = peakNear(Math.max(0, i - 8), Math.min(D.count, j + 8)) * 1.2,
      r = D.original_rate / D.rate,
      n = D.original.length;
    const chart = charts.points.open(title('points', { x: [ms(a), ms(b)], y: [-p, p] }));
    const [oi, oj] = inside(a * r, b * r, n);
    chart
      .line(
        oj - oi,
        k => ((oi + k) / D.original_rate) * 1000,
        k => D.original.at(oi + k),
        { colour: C.sky, width: 2 },
      )
      .stems(
        j - i,
        k => ms(i + k),
        k => D.samples.at(i + k),
        { radius: j - i > 120 ? 1.5 : 3 },
      )
      .note(ms(a), p, `line: the input, ${D.original_rate} Hz; dots: ${D.rate} samples a second`);
    const spectra = charts.spectra,
      low = D.spectra_low,
      high = D.spectra_high;
    spectra
      .open(title('spectra', { x: [0, D.original_rate / 2 / 1000], y: [low, high] }))
      .line(
        D.before_hz.length,
        k => D.before_hz.at(k) / 1000,
        k => D.before_db.at(k),
        { colour: C.sky, width: 3 },
      )
      .line(
        D.after_hz.length,
        k => D.after_hz.at(k) / 1000,
        k => D.after_db.at(k),
        { colour: C.vermilion },
      )
      .vertical(D.rate / 2000, { label: `Nyquist ${format(D.rate / 2)} Hz` });
    if (D.strongest_before > D.rate / 2 && D.strongest_after > 0)
      spectra
        .vertical(D.strongest_before / 1000, { colour: C.sky })
        .vertical(D.strongest_after / 1000, { colour: C.vermilion })
        .note(
          D.strongest_after / 1000,
          (low + high) / 2,
          `${format(D.strongest_before)} Hz lands at ${format(D.strongest_after)} Hz`,
          { colour: C.vermilion },
        );
    spectra.note(D.original_rate / 2000, high, 'wide line: before; thin line: after', { dy: 20 });
  },
  3() {
    const half = Math.max(0.002 * D.rate, 16),
      [a, b] = around(half),
      [i, j] = inside(a, b, D.count);
    const p = Math.min(1.05, peakNear(i, j) * 1.1),
      x = [ms(a), ms(b)];
    charts.levels
      .open(title('levels', { x, y: [-p, p] }))
      .line(
        j - i,
        k => ms(i + k),
        k => D.samples.at(i + k),
        { colour: C.blue },
      )
      .steps(
        j - i,
        k => ms(i + k),
        k => quantized(i + k),
      );
    let worst = 1e-9;
    for (let k = i; k < j; k++) worst = Math.max(worst, Math.abs(quantized(k) - D.samples.at(k)));
    charts.error
      .open(title('error', { x, y: [-worst * 1.2, worst * 1.2] }))
      .line(
        j - i,
        k => ms(i + k),
        k => quantized(i + k) - D.samples.at(i + k),
        { colour: C.vermilion },
      )
      .horizontal(0)
      .note(x[0], worst * 1.2, D.snr);
    const at = clamp(Math.round(centre(S.frame)), 0, D.count - 1),
      value = D.samples.at(at);
    charts.staircase
      .open(title('staircase', { x: [-1, 1], y: [-1, 1] }))
      .line(
        2,
        k => 2 * k - 1,
        k => 2 * k - 1,
        { alpha: 0.4, dash: [4, 3] },
      )
      .line(
        D.stairs_in.length,
        k => D.stairs_in.at(k),
        k => D.stairs_out.at(k),
        { colour: C.vermilion },
      )
      .dot(clamp(value, -1, 1), clamp(quantized(at), -1, 1))
      .note(-1, 1, `${format(value)} becomes ${format(quantized(at))}`);
  },
  4() {
    const half = D.length / 2 + 3.5 * D.hop,
      [a, b] = around(half),
      [i, j] = inside(a, b, D.count),
      p = peakNear(i, j);
    const chart = charts.overlap.open(title('overlap', { x: [ms(a), ms(b)], y: [-p, p] }));
    chart.line(
      j - i,
      k => ms(i + k),
      k => D.samples.at(i + k),
      { colour: C.blue, alpha: 0.7 },
    );
    for (let f = Math.max(0, S.frame - 3); f <= Math.min(D.frames - 1, S.frame + 3); f++) {
      const here = f === S.frame,
        top = p * (0.94 - 0.05 * Math.abs(f - S.frame));
      const points = [-1, ...Array(D.length).keys(), D.length];
      chart.line(
        points.length,
        k => ms(start(f) + points[k]),
        k => (points[k] < 0 || points[k] >= D.length ? 0 : D.window.at(points[k]) * top),
        { colour: here ? C.vermilion : C.orange, width: here ? 2.5 : 1, alpha: here ? 1 : 0.7 },
      );
    }
    chart.note(
      ms(start(S.frame)),
      -p * 0.7,
      `frame ${S.frame} starts ${format(ms(start(S.frame)))} ms, next ${format(ms(D.hop))} ms later`,
    );
    const s = S.frame * D.hop,
      raw = k => D.signal.at(s + k),
      win = k => D.windowed.cell(S.frame, k);
    let q = 1e-5;
    for (let k = 0; k < D.length; k++) q = Math.max(q, Math.abs(raw(k)));
    charts.frame
      .open(title('frame', { x: [0, ms(D.length)], y: [-q * 1.1, q * 1.1] }))
      .line(D.length, k => ms(k), raw, { colour: C.sky, width: 2 })
      .line(D.length, k => ms(k), win, { colour: C.vermilion })
      .note(0, q * 1.1, 'wide line: cut out; thin line: after the window');
    element.querySelector('.row-mark').style.transform =
      `translateY(${charts.frames.sy ? charts.frames.sy(S.frame + 0.5) : 0}px)`;
  },
  5() {
    const power = k => 10 ** (D.power_db.cell(S.frame, k) / 10),
      kind = scale.value;
    const value =
      kind === 'dB' ? k => D.power_db.cell(S.frame, k) : kind === 'power' ? power : k => Math.sqrt(power(k));
    let top = -Infinity;
    for (let k = 0; k < D.bins; k++) top = Math.max(top, value(k));
    const y = kind === 'dB' ? [Math.max(-105, top - 90), Math.max(top, -95) + 8] : [0, top * 1.08 || 1];
    const unit = { dB: 'power (dB)', power: 'power |X|²', magnitude: 'magnitude |X|' }[kind];
    const chart = charts.spectrum.open({ x: [0, D.rate / 2], y, xTitle: D.panels.spectrum.x, yTitle: unit });
    chart.line(D.bins, k => k * D.bin_hz, value, { colour: C.blue, width: 2 });
    const dashes = { rectangular: [], hamming: [6, 4], hann: [2, 3] },
      colours = { rectangular: C.vermilion, hamming: C.green, hann: C.purple };
    if (near && near.frame === S.frame)
      for (const [name, db] of Object.entries(near.windows)) {
        if (!$(`.compare [value=${name}]`).checked) continue;
        const v =
          kind === 'dB' ? k => db[k] : kind === 'power' ? k => 10 ** (db[k] / 10) : k => 10 ** (db[k] / 20);
        chart.line(D.bins, k => k * D.bin_hz, v, { colour: colours[name], dash: dashes[name], width: 1.25 });
      }
    chart.vertical(S.bin * D.bin_hz, {
      label: `bin ${S.bin}: ${format(S.bin * D.bin_hz)} Hz`,
      colour: C.orange,
    });
    for (const [panel, wave, sum] of [
      ['cosine', 'cosine', 'real'],
      ['sine', 'sine', 'imaginary'],
    ]) {
      const b = near && near.frame === S.frame && near.bin === S.bin ? near.wave : null;
      let p = 1e-9;
      if (b) for (const v of b.products[wave]) p = Math.max(p, Math.abs(v));
      for (let k = 0; k < D.length; k++) p = Math.max(p, Math.abs(D.windowed.cell(S.frame, k)));
      const c = charts[panel].open(title(panel, { x: [0, ms(D.length)], y: [-p * 1.1, p * 1.1] }));
      c.line(
        D.length,
        k => ms(k),
        k => D.windowed.cell(S.frame, k),
        { colour: C.sky, width: 2 },
      );
      if (b)
        c.line(
          D.length,
          k => ms(k),
          k => b[wave][k] * p,
          { alpha: 0.45, dash: [3, 3] },
        )
          .line(
            D.length,
            k => ms(k),
            k => b.products[wave][k],
            { colour: C.vermilion, fill: true },
          )
          .line(
            D.length,
            k => ms(k),
            k => b.products[wave][k],
            { colour: C.vermilion, width: 1 },
          )
          .note(0, p * 1.1, `sum of the products: ${format(b[sum])}`);
    }
  },
  6() {
    const top = D.bank_top;
    const chart = charts.filters.open(title('filters', { x: [0, D.rate / 2], y: [0, top * 1.12] }));
    let loud = 1e-30;
    const power = k => 10 ** (D.power_db.cell(S.frame, k) / 10);
    for (let k = 0; k < D.bins; k++) loud = Math.max(loud, power(k));
    chart.line(
      D.bins,
      k => k * D.bin_hz,
      k => Math.sqrt(power(k) / loud) * top,
      { colour: C.sky, width: 1, fill: true },
    );
    const triangle = (m, options) => {
      const [lo, hi] = [
        Math.floor(D.edges.cell(m, 0) / D.bin_hz),
        Math.ceil(D.edges.cell(m, 2) / D.bin_hz),
      ].map(k => clamp(k, 0, D.bins - 1));
      chart.line(
        hi - lo + 1,
        k => (lo + k) * D.bin_hz,
        k => D.bank.cell(m, lo + k),
        options,
      );
    };
    for (let m = 0; m < D.bands; m++)
      if (m !== S.band) triangle(m, { colour: m % 2 ? C.blue : C.green, width: 1, alpha: 0.75 });
    triangle(S.band, { colour: C.vermilion, width: 3 });
    const c = D.edges.cell(S.band, 1);
    chart.note(
      c,
      top * 1.12,
      `band ${S.band}: ${format(D.edges.cell(S.band, 0))} to ${format(D.edges.cell(S.band, 2))} Hz${D.empty.includes(S.band) ? ', EMPTY: no bin falls inside' : ''}`,
      { colour: C.vermilion },
    );
    const n = D.curves.width,
      hz = k => D.curves.cell(0, k),
      highest = Math.max(...[1, 2, 3].map(s => D.curves.cell(s, n - 1)));
    const curve = charts.curve.open(title('curve', { x: [0, D.rate / 2], y: [0, highest * 1.05] }));
    curve
      .line(n, hz, k => D.curves.cell(1, k), { colour: C.blue, width: 4, alpha: 0.6 })
      .line(n, hz, k => D.curves.cell(2, k), { colour: C.orange, width: 1.5, dash: [6, 4] })
      .line(n, hz, k => D.curves.cell(3, k), { colour: C.green, width: 2, dash: [2, 3] });
    const mel = 1127 * Math.log(1 + c / 700);
    curve
      .dot(c, mel)
      .note(0, 1e9, 'wide line: lecture; dashes: HTK; dots: Slaney')
      .note(c, mel, `1127 ln(1 + ${format(c)}/700) = ${format(mel)} mel`, { dy: 14 });
  },
  7() {
    const colour = m => (m === S.band ? C.vermilion : C.blue),
      linear = m => 10 ** (D.mel_db.cell(S.frame, m) / 10);
    let top = 1e-12;
    for (let m = 0; m < D.bands; m++) top = Math.max(top, linear(m));
    charts.linear.open(title('linear', { x: [0, D.bands], y: [0, top * 1.1] })).bars(
      D.bands,
      m => m,
      m => m + 1,
      linear,
      { colour },
    );
    charts.logarithm
      .open({ ...title('logarithm', { x: [0, D.bands], y: [D.log_low, D.log_high] }) })
      .bars(
        D.bands,
        m => m,
        m => m + 1,
        m => D.log_energies.cell(S.frame, m),
        { colour },
      )
      .horizontal(D.floor, { label: `floor ${format(D.floor)}`, colour: C.orange });
    charts.final.open({ ...title('final', { x: [0, D.bands], y: D.extent }), yTitle: D.unit }).bars(
      D.bands,
      m => m,
      m => m + 1,
      m => D.log_mel.cell(S.frame, m),
      { colour },
    );
  },
};

const move = () => {
  pending = 0;
  if (!D || !charts.wave.visible) return;
  const x = charts.wave.sx ? charts.wave.sx(ms(centre(S.frame))) : 0,
    w = charts.wave;
  for (const mark of $$('.mark')) {
    mark.style.transform = `translateX(${x}px)`;
    mark.hidden = x < w.left - 1 || x > w.right + 1;
  }
  const map = charts.log_mel;
  $('.cell-mark').style.transform = `translate(${x}px, ${map.sy(S.band + 0.5)}px)`;
  $('.cell-mark').hidden = x < w.left - 1 || x > w.right + 1;
  draw[S.stage]();
  slider.value = S.frame;
  bandSlider.value = S.band;
  where.textContent = `frame ${S.frame} of ${D.frames} · ${format(ms(centre(S.frame)))} ms · band ${S.band} (${format(D.edges.cell(S.band, 1))} Hz) · ${format(D.log_mel.cell(S.frame, S.band))} ${D.unit}`;
  slider.setAttribute('aria-valuetext', where.textContent);
  bandSlider.setAttribute('aria-valuetext', `band ${S.band}`);
};
// Asks for a redraw at the next frame; `rest` also asks the server for the cell's close-up, once.
const soon = (rest = true) => {
  if (!pending) pending = requestAnimationFrame(move);
  if (!rest) return;
  clearTimeout(timer);
  timer = setTimeout(ask, 120);
};
const ask = async () => {
  if (!D) return;
  const mine = ++asked,
    { frame, band, bin } = S,
    key = D.key;
  const answer = await server.closeup({ key, frame, band, bin });
  if (mine !== asked || !D || D.key !== key) return;
  alarm.textContent = answer
    ? answer.error || ''
    : 'The server did not answer; move the cursor to ask again.';
  if (!answer || answer.error) return;
  near = answer;
  explain();
  soon(false);
};

// ---- provenance: the chain from samples to the chosen number, as the server's trace has it
const node = (tag, text, cls) => {
  const n = document.createElement(tag);
  if (text !== undefined) n.textContent = text;
  if (cls) n.className = cls;
  return n;
};
const explain = () => {
  const c = near.cell,
    table = node('table'),
    head = node('tr'),
    body = node('tbody');
  for (const h of ['bin k', 'Hz', 'weight w', 'power |X|²', 'w · |X|²']) head.append(node('th', h));
  const shown =
    c.bins.length > 12
      ? [...c.bins.keys()]
          .sort((a, b) => c.products[b] - c.products[a])
          .slice(0, 12)
          .sort((a, b) => a - b)
      : [...c.bins.keys()];
  for (const i of shown) {
    const row = node('tr'),
      pick = node('button', c.bins[i]);
    pick.type = 'button';
    pick.title = 'show this bin in the DFT stage';
    pick.addEventListener('click', () => {
      S.bin = c.bins[i];
      choose(5);
      soon();
    });
    const first = node('td');
    first.append(pick);
    row.append(first);
    for (const v of [c.hz[i], c.weights[i], c.power[i], c.products[i]]) row.append(node('td', format(v)));
    body.append(row);
  }
  const thead = node('thead');
  thead.append(head);
  table.append(thead, body);
  const list = node('ol');
  for (const [label, value] of c.steps) {
    const item = node('li');
    item.append(node('span', label), node('b', value));
    list.append(item);
  }
  $('.prov-title').textContent = `Where frame ${near.frame}, band ${near.band} comes from`;
  const note =
    c.bins.length > shown.length
      ? `The ${shown.length} largest of ${c.bins.length} products; the sum is over all.`
      : c.bins.length
        ? ''
        : 'No bin falls inside this triangle: the filter is empty.';
  $('.prov-table').replaceChildren(table, node('p', note));
  $('.prov-steps').replaceChildren(list);
  $('.widths').textContent = near.widths;
};

// ---- stages, pointers, keys
const choose = window.Glassbox.stages(element, stage => {
  S.stage = stage;
  stills();
});
const drag = (panel, act) => {
  const canvas = charts[panel].canvas;
  canvas.addEventListener('pointerdown', e => {
    if (!D) return;
    canvas.setPointerCapture(e.pointerId);
    act(charts[panel], e);
    soon();
  });
  canvas.addEventListener('pointermove', e => {
    if (D && e.buttons) {
      act(charts[panel], e);
      soon();
    }
  });
};
const toFrame = (chart, e) => {
  S.frame = frameAt(sampleOf(chart.under(e)));
};
drag('wave', toFrame);
drag('log_mel', (chart, e) => {
  toFrame(chart, e);
  S.band = clamp(Math.floor(chart.heightUnder(e)), 0, D.bands - 1);
});
// In the close views the picture moves with the cursor, so a click moves it by the distance from the middle.
for (const panel of ['zoom', 'points', 'levels', 'error', 'overlap'])
  charts[panel].canvas.addEventListener('click', e => {
    if (D) {
      toFrame(charts[panel], e);
      soon();
    }
  });
drag('frames', (chart, e) => {
  S.frame = clamp(Math.floor(chart.heightUnder(e)), 0, D.frames - 1);
});
drag('spectrum', (chart, e) => {
  S.bin = clamp(Math.round(chart.under(e) / D.bin_hz), 0, D.bins - 1);
});
const nearestBand = hz => {
  let best = 0;
  for (let m = 1; m < D.bands; m++)
    if (Math.abs(D.edges.cell(m, 1) - hz) < Math.abs(D.edges.cell(best, 1) - hz)) best = m;
  return best;
};
for (const panel of ['filters', 'curve'])
  drag(panel, (chart, e) => {
    S.band = nearestBand(chart.under(e));
  });
for (const panel of ['linear', 'logarithm', 'final'])
  drag(panel, (chart, e) => {
    S.band = clamp(Math.floor(chart.under(e)), 0, D.bands - 1);
  });
slider.addEventListener('input', () => {
  S.frame = +slider.value;
  keepInView();
  soon();
});
bandSlider.addEventListener('input', () => {
  S.band = +bandSlider.value;
  soon();
});
scale.addEventListener('change', () => soon(false));
for (const box of $$('.compare input')) box.addEventListener('change', () => soon(false));

const keepInView = () => {
  const c = centre(S.frame);
  if (c < S.from || c > S.to) {
    const half = (S.to - S.from) / 2;
    show(c - half, c + half);
  }
};
const show = (a, b) => {
  const w = clamp(b - a, D.length, D.count);
  S.from = clamp(a, 0, D.count - w);
  S.to = S.from + w;
  stills();
};
const zoom = (factor, about = centre(S.frame)) => {
  if (D) show(about - (about - S.from) * factor, about + (S.to - about) * factor);
};
$('.nearer').addEventListener('click', () => zoom(0.5));
$('.farther').addEventListener('click', () => zoom(2));
$('.whole').addEventListener('click', () => {
  if (D) show(0, D.count);
});
for (const panel of ['wave', 'log_mel'])
  charts[panel].canvas.addEventListener(
    'wheel',
    e => {
      if (!D || !(e.ctrlKey || e.shiftKey)) return;
      e.preventDefault();
      zoom((e.deltaY || e.deltaX) > 0 ? 1.25 : 0.8, sampleOf(charts[panel].under(e)));
    },
    { passive: false },
  );

// ---- hearing: each stage as sound, and the cursor goes along
let sound = null;
const stop = () => {
  if (sound) {
    cancelAnimationFrame(sound.raf);
    sound.node.onended = null;
    sound.node.stop();
    sound.context.close();
    sound.button.setAttribute('aria-pressed', 'false');
    sound = null;
  }
};
const play = (button, n, at, rate, offset = 0) => {
  stop();
  const context = new AudioContext(),
    buffer = context.createBuffer(1, Math.max(1, n), rate),
    data = buffer.getChannelData(0);
  for (let i = 0; i < n; i++) data[i] = clamp(at(i), -1, 1);
  const source = context.createBufferSource();
  source.buffer = buffer;
  source.connect(context.destination);
  sound = { context, node: source, button, raf: 0 };
  button.setAttribute('aria-pressed', 'true');
  const follow = () => {
    if (!sound || !D || !element.isConnected) return stop();
    S.frame = frameAt(context.currentTime * D.rate + offset);
    keepInView();
    move();
    sound.raf = requestAnimationFrame(follow);
  };
  source.onended = () => {
    stop();
    soon();
  };
  source.start();
  follow();
};
const sounds = {
  original: b => play(b, D.original.length, i => D.original.at(i), D.original_rate),
  sampled: b => play(b, D.heard.length, i => D.heard.at(i), D.heard_rate),
  quantized: b => play(b, D.heard_quantized.length, i => D.heard_quantized.at(i), D.heard_rate),
  rebuilt: async b => {
    const label = b.textContent;
    b.textContent = 'Rebuilding …';
    b.disabled = true;
    const answer = await server.rebuild_sound({ key: D.key });
    b.textContent = label;
    b.disabled = false;
    alarm.textContent = answer ? answer.error || '' : 'The server did not answer; try again.';
    if (!answer || answer.error) return;
    const raw = Uint8Array.from(atob(answer.samples), s => s.charCodeAt(0)),
      wave = new Int16Array(raw.buffer);
    play(b, wave.length, i => wave[i] / 32767, answer.rate);
  },
};
for (const button of $$('[data-sound]'))
  button.addEventListener('click', () => {
    if (!D) return;
    if (sound && sound.button === button) stop();
    else sounds[button.dataset.sound](button);
  });

// ---- a new run
const load = async () => {
  const v = props.value;
  if (!v || !v.parts) return;
  const answer = await fetch(v.file.url);
  if (!answer.ok) {
    alarm.textContent =
      'The picture of this run is no longer on the server; change any control to run again.';
    return;
  }
  const buffer = await answer.arrayBuffer();
  if (props.value !== v) return;
  const before = D;
  stop();
  D = { ...v, ...unpack(buffer, v.parts) };
  for (const [name, same] of Object.entries(v.same)) D[name] = D[same];
  pictures = {};
  near = null;
  D.extent = D.log_mel.extent();
  D.bank_top = D.bank.extent()[1] || 1;
  if (D.extent[0] === D.extent[1]) D.extent = [D.extent[0] - 1, D.extent[1] + 1];
  pictures.log_mel = image(D.bands, D.frames, (m, f) => D.log_mel.cell(f, m), D.extent);
  D.swing = Math.max(D.swing, 1e-9);
  // The cursor stays at the same moment of the same sound; a new sound begins at its loudest frame.
  const kept = before && before.sound === D.sound;
  S.frame = kept ? frameAt(centreOf(before) * D.rate) : D.loudest;
  S.band = kept ? clamp(Math.round((S.band * D.bands) / before.bands), 0, D.bands - 1) : D.loudest_band;
  S.bin = kept ? clamp(Math.round((S.bin * before.bin_hz) / D.bin_hz), 0, D.bins - 1) : D.loudest_bin;
  if (!kept || before.count / before.rate !== D.count / D.rate) {
    S.from = 0;
    S.to = D.count;
  }
  slider.max = D.frames - 1;
  bandSlider.max = D.bands - 1;
  element.querySelector('.gb-speech').dataset.run = D.key;
  stills();
  soon();
};
const centreOf = d => (d.start + S.frame * d.hop + d.length / 2) / d.rate;
watch('value', load);
load();
window.Glassbox.redraw(element, stills);
choose(1);
trigger('shown');
