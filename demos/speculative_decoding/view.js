// One race on one clock: the text, the caches and the passes all show the moment S.t. Everything drawn
// comes from the run's record on the server; playing, stepping and clicking ask the server nothing.
const { Chart, format, COLOURS: C, stages, redraw } = window.Glassbox;
const $ = q => element.querySelector(q),
  $$ = q => [...element.querySelectorAll(q)];
const charts = Object.fromEntries($$('canvas').map(c => [c.dataset.panel, new Chart(c)]));
const strip = $('.strip'),
  clock = $('.clock'),
  play = $('.play'),
  told = $('.told');
const MARKS = {
  draft: 'drafted',
  accepted: 'accepted',
  rejected: 'rejected',
  dropped: 'not looked at, dropped',
  resampled: 'resampled',
  bonus: 'bonus',
  target: 'by the target alone',
  cut: 'after the end of the text',
};
const S = { t: 0, stage: 1, chosen: null, playing: 0, shown: '' };
let D = null,
  items = [],
  moments = [],
  total = 0;

// ---- the record: one item for each token that was drafted or drawn, in the order of deciding
const node = (tag, text, cls) => {
  const n = document.createElement(tag);
  if (text !== undefined) n.textContent = text;
  if (cls) n.className = cls;
  return n;
};
const word = id => D.words[id] ?? '';
const quoted = id => `“${word(id).replaceAll('\n', '↵')}”`;
const visible = id => word(id).replaceAll('\n', '↵\n');
const end = part => part.t + part.ms;
const fixed = v => (v >= 0.0995 ? v.toFixed(2) : format(v));
const ORIGIN = {
  bonus: n => `bonus: all ${n} drafts were accepted, so one more came from p`,
  resampled: () => 'drawn from the residual after a rejection',
  target: () => 'drawn from p alone: nothing had been drafted',
};
const describe = ({ block, i, kind, state }) => {
  const d = block.drafted[i];
  const after = state === 'cut' ? '; it stands after the end of the text' : '';
  if (!d)
    return `${quoted(block.last)}: ${ORIGIN[kind](block.drafted.length)}, with probability ${fixed(block.p)}${after}`;
  const laws = `${quoted(d.x)}: q = ${fixed(d.q)}, p = ${fixed(d.p)}, p/q = ${fixed(d.p / d.q)}`;
  if (kind === 'dropped') return `${laws}; dropped without a look, an earlier one was rejected`;
  return `${laws}; drawn r = ${fixed(d.r)}, ${d.r * d.q < d.p ? 'below' : 'not below'} p/q: ${kind}${after}`;
};
const build = () => {
  items = [];
  const nodes = [node('span', D.prompt.map(visible).join(''), 'prompt')];
  D.blocks.forEach((block, b) => {
    const kinds = [...block.drafted.map(d => d.state), block.kind];
    let kept = 0;
    kinds.forEach((kind, i) => {
      const id = i < block.drafted.length ? block.drafted[i].x : block.last;
      let state = kind;
      if (kind === 'accepted' || i === block.drafted.length) {
        // What stands behind an end token inside the block is not part of the text.
        if (kept >= block.new.length) state = 'cut';
        else kept += 1;
      }
      // The space before a word stands outside its button, so that lines break there and begin clean.
      const text = visible(id),
        bare = text.trimStart() || text,
        whole = node('span', text.startsWith(' ') && bare !== text ? ' ' : ''),
        button = node('button', bare.replace('\n', ''), 'tok');
      button.type = 'button';
      button.tabIndex = -1;
      whole.append(button);
      if (text.includes('\n')) whole.append(node('br'));
      const item = { block, b, i, kind, state, id, button, whole };
      button.setAttribute('aria-label', `${MARKS[state]} ${describe(item)}`);
      if (i === 0) button.classList.add('first');
      items.push(item);
      nodes.push(whole);
    });
  });
  strip.replaceChildren(...nodes);
  if (items.length) items[0].button.tabIndex = 0;
  total = Math.max(0, ...D.blocks.slice(-1).map(end), ...D.plain.slice(-1).map(end));
  moments = [0, total];
  for (const block of D.blocks) moments.push(...block.passes.map(p => p[1] + p[2]), end(block));
  for (const step of D.plain) moments.push(end(step));
  moments.sort((a, b) => a - b);
};

// ---- the moment: what is decided, what is in the making
const EPS = 1e-4;
const over = part => S.t >= end(part) - EPS;
const stateOf = item => {
  const { block, i } = item;
  if (over(block)) return item.state;
  if (S.t < block.t) return null;
  const drafts = block.passes.filter(p => p[0] === 'draft');
  const drafted = drafts.length ? drafts.filter(p => S.t >= p[1] + p[2] - EPS).length : block.drafted.length;
  return i < Math.min(drafted, block.drafted.length) ? 'draft' : null;
};
const decided = () => D.blocks.filter(over);
const current = () => {
  if (S.chosen) return S.chosen;
  const done = items.filter(item => over(item.block));
  if (!done.length) return null;
  const last = done[done.length - 1].b,
    atEnd = last === D.blocks.length - 1 && !S.playing;
  const among = atEnd ? done : done.filter(item => item.b === last);
  return among.findLast(item => item.kind === 'rejected') || done[done.length - 1];
};
const paintStrip = () => {
  const every = $('.all').checked,
    mine = current();
  for (const item of items) {
    const state = stateOf(item),
      button = item.button;
    item.whole.hidden = !state || (!every && ['rejected', 'dropped', 'cut'].includes(state));
    for (const kind of Object.keys(MARKS)) button.classList.toggle(kind, kind === state);
    if (state === 'cut') button.classList.add('dropped');
    button.setAttribute('aria-pressed', item === mine);
  }
  if (S.playing) strip.scrollTop = strip.scrollHeight;
};

// ---- inside one token
const bars = (chart, rows, parts) => {
  // rows: [label, value, value ...]; one thin bar for each value, the label at the left.
  const height = (chart.bottom - chart.top) / Math.max(6, rows.length),
    g = chart.g;
  rows.forEach(([label, ...values], r) => {
    const y = chart.top + r * height;
    chart.clip(() => {
      parts.forEach(({ colour, at, thick, frame }, k) => {
        const box = [chart.left, y + at * height, chart.sx(values[k]) - chart.left, thick * height];
        g.fillStyle = g.strokeStyle = colour;
        g.lineWidth = 2;
        if (frame) {
          g.globalAlpha = 0.3;
          g.fillRect(...box);
          g.globalAlpha = 1;
          g.strokeRect(...box);
        } else g.fillRect(...box);
      });
    });
    g.fillStyle = chart.ink;
    g.textAlign = 'right';
    g.textBaseline = 'middle';
    let text = label.replaceAll('\n', '↵').replaceAll(' ', '·');
    while (text.length > 1 && g.measureText(text).width > chart.left - 8) text = text.slice(0, -2) + '…';
    g.fillText(text, chart.left - 5, y + height / 2);
  });
};
const open = (panel, options = {}) => {
  const [, x, y] = D.panels[panel];
  return charts[panel].open({ xTitle: x, yTitle: y, ...options });
};
const inside = () => {
  const item = current();
  if (!charts.laws.visible) return;
  const lists = { yTicks: false, margin: 5.5 };
  if (!item) {
    for (const panel of ['laws', 'residual', 'draw']) open(panel, { ...lists, x: [0, 1], y: [0, 1] });
    return;
  }
  const { block } = item,
    d = block.drafted[item.i];
  const rows = d ? d.laws : block.law;
  const top = Math.max(...rows.flatMap(row => row.slice(1)), 0.01) * 1.05;
  const laws = open('laws', { ...lists, x: [0, top], y: [0, 1] });
  if (d)
    bars(
      laws,
      rows.map(([id, p, q]) => [label(id, d.x), q, p, id === null ? 0 : Math.min(p, q)]),
      [
        { colour: C.sky, at: 0.1, thick: 0.36 },
        { colour: C.blue, at: 0.5, thick: 0.36 },
        { colour: C.green, at: 0.08, thick: 0.8, frame: true },
      ],
    );
  else
    bars(
      laws,
      rows.map(([id, p]) => [label(id, block.last), p]),
      [{ colour: LAW[item.kind][0], at: 0.2, thick: 0.6 }],
    );
  $('.key').textContent = d
    ? `Left: upper bars q, lower bars p, green what both share, min(p, q), ${fixed(d.overlap)} in all. Middle: ` +
      `thin bars max(0, p − q), ${fixed(1 - d.overlap)} in all; wide bars the same scaled to 1. ▸ marks this token.`
    : `Left: ${LAW[item.kind][1]}. ▸ marks the token that was drawn.`;
  residual(item, d, lists);
  lot(item, d);
};
const OTHERS = 'all others';
const label = (id, mine) => (id === null ? OTHERS : (id === mine ? '▸' : '') + word(id));
const LAW = {
  bonus: [C.purple, 'the target’s law p after all drafts'],
  resampled: [C.orange, 'the residual, max(0, p − q) scaled to 1'],
  target: [C.blue, 'the target’s law p'],
};
const residual = (item, d, lists) => {
  const left = d
    ? d.laws
        .filter(([id, p, q]) => id !== null && p > q)
        .map(([id, p, q]) => [word(id), (p - q) / (1 - d.overlap), p - q])
        .sort((a, b) => b[1] - a[1])
    : [];
  const top = Math.max(0.01, ...left.map(([, v]) => v)) * 1.05;
  const chart = open('residual', { ...lists, x: [0, top], y: [0, 1] });
  if (!d) {
    const why = item.kind === 'resampled' ? 'it is the law at the left' : 'nothing was rejected';
    return void chart.note(0, 0.5, why);
  }
  if (d.overlap > 1 - 1e-6 || !left.length) return void chart.note(0, 0.5, 'nothing is left: p = q');
  bars(
    chart,
    left,
    [
      { colour: C.orange, at: 0.12, thick: 0.5 },
      { colour: C.vermilion, at: 0.66, thick: 0.2 },
    ],
  );
};
const lot = (item, d) => {
  const chart = open('draw', { x: [0, 1], y: [0, 1], yTicks: false });
  if (!d) return void chart.note(0, 0.5, 'this token is not judged: it is drawn');
  const stay = Math.min(1, d.p / d.q),
    g = chart.g,
    mid = (chart.top + chart.bottom) / 2,
    high = (chart.bottom - chart.top) * 0.3;
  chart.clip(() => {
    g.fillStyle = C.green;
    g.fillRect(chart.left, mid - high / 2, chart.sx(stay) - chart.left, high);
    g.fillStyle = C.vermilion;
    g.fillRect(chart.sx(stay), mid - high / 2, chart.right - chart.sx(stay), high);
  });
  chart.note(0, 0.92, `✓ below min(1, p/q) = ${fixed(stay)}`, { colour: C.green });
  if (stay < 1) chart.note(1, 0.2, '✗ above: rejected', { colour: C.vermilion });
  if (d.r === null) chart.note(0, 0.2, 'never drawn: an earlier token was rejected');
  else chart.vertical(d.r, { width: 3, dash: [] }).note(d.r, 0.8, `r = ${fixed(d.r)}`);
};

// ---- caches
const held = () => {
  // [kept, cut or being read] for target and draft at this moment, and in words
  const done = decided(),
    next = D.blocks[done.length];
  if (next && S.t >= next.t) {
    const [before, read] = next.caches;
    const target = next.passes.at(-1),
      verified = S.t >= target[1] + target[2] - EPS;
    const drafts = next.passes.filter(p => p[0] === 'draft'),
      passed = drafts.filter(p => S.t >= p[1] + p[2] - EPS).length;
    const drafting = passed ? read[1] - drafts.length + passed : before[1];
    return { kept: before, more: [(verified ? read[0] : before[0]) - before[0], drafting - before[1]], cut: false };
  }
  const last = done.at(-1);
  if (!last) return { kept: [0, 0], more: [0, 0], cut: false };
  const [, read, kept] = last.caches;
  return { kept, more: [read[0] - kept[0], read[1] - kept[1]], cut: true };
};
const NAMES = ['target', 'draft'];
const caches = () => {
  if (!charts.caches.visible) return;
  const now = held(),
    most = Math.max(1, ...D.blocks.flatMap(b => b.caches.flat()));
  const chart = open('caches', { x: [0, most], y: [0, 2], yTicks: false }),
    g = chart.g,
    lane = (chart.bottom - chart.top) / 2;
  NAMES.forEach((name, k) => {
    const y = chart.top + k * lane + lane * 0.16,
      h = lane * 0.68,
      colour = k ? C.sky : C.blue;
    const cells = (from, to, fill, alpha) => {
      g.globalAlpha = alpha;
      g.fillStyle = fill;
      for (let i = from; i < to; i++)
        g.fillRect(chart.sx(i) + 0.5, y, Math.max(1, chart.sx(i + 1) - chart.sx(i) - 1), h);
      g.globalAlpha = 1;
    };
    chart.clip(() => {
      cells(0, Math.min(D.prompt.length, now.kept[k]), colour, 0.45);
      cells(D.prompt.length, now.kept[k], colour, 1);
      cells(now.kept[k], now.kept[k] + now.more[k], now.cut ? C.vermilion : C.orange, now.cut ? 0.8 : 0.9);
    });
    g.fillStyle = chart.ink;
    g.textAlign = 'right';
    g.textBaseline = 'middle';
    g.fillText(name, chart.left - 5, y + h / 2);
    if (now.more[k])
      chart.note(now.kept[k] + now.more[k], 2 - k - 0.3, now.cut ? `✂ ${now.more[k]}` : `+${now.more[k]}`);
  });
  const said = NAMES.map((name, k) => {
    const more = now.more[k]
      ? now.cut
        ? `, after ${now.more[k]} drafted ${now.more[k] === 1 ? 'one was' : 'ones were'} cut off`
        : `, and ${now.more[k]} in this block so far`
      : '';
    return `the ${name} holds ${now.kept[k]} positions${more}`;
  });
  $('.cached').textContent = `At this moment ${said.join('; ')}. Paler cells: the prompt.`;
  const history = open('history', { x: [0, D.blocks.length], y: [0, most * 1.08] }),
    n = decided().length;
  D.blocks.slice(0, n).forEach((block, b) => {
    const [, read, kept] = block.caches;
    [0, 1].forEach(k => {
      const x = b + 0.1 + k * 0.4;
      const rect = (from, to, fill) => {
        history.clip(gg => {
          gg.fillStyle = fill;
          gg.fillRect(
            history.sx(x),
            history.sy(to),
            Math.max(1, history.sx(x + 0.38) - history.sx(x)),
            history.sy(from) - history.sy(to),
          );
        });
      };
      rect(0, kept[k], k ? C.sky : C.blue);
      rect(kept[k], read[k], C.vermilion);
    });
  });
  history.note(0, most * 1.08, 'left bars: target, right: draft; red: cut off again');
};

// ---- race
const gantt = () => {
  if (!charts.gantt.visible) return;
  const chart = open('gantt', { x: [0, total], y: [0, 2], yTicks: false }),
    g = chart.g,
    lane = (chart.bottom - chart.top) / 2;
  const passes = (list, row) => {
    const y = chart.top + row * lane + lane * 0.3;
    chart.clip(() => {
      for (const part of list)
        for (const [who, at, ms] of part.passes) {
          g.fillStyle = who === 'draft' ? C.sky : C.blue;
          const w = Math.max(1, chart.sx(at + ms) - chart.sx(at) - 0.5);
          if (who === 'draft') g.fillRect(chart.sx(at), y + lane * 0.2, w, lane * 0.35);
          else g.fillRect(chart.sx(at), y, w, lane * 0.55);
        }
    });
  };
  passes(D.blocks, 0);
  passes(D.plain, 1);
  chart.note(0, 2, 'speculative; low: draft, tall: target');
  chart.note(0, 1.02, 'plain: one pass a token');
};
const race = () => {
  if (S.stage !== 3) return;
  const mark = $('.mark'),
    chart = charts.gantt;
  if (chart.sx) mark.style.transform = `translateX(${chart.sx(S.t)}px)`;
  const [ours, plain] = $$('section'),
    made = decided().flatMap(b => b.new),
    steps = D.plain.filter(over);
  const show = (section, ids, ms) => {
    section.querySelector('.words').textContent = ids.map(word).join('');
    section.querySelector('.rate').textContent = ids.length
      ? `${ids.length} tokens in ${ms.toFixed(ms < 100 ? 1 : 0)} ms: ${((ids.length / ms) * 1000).toFixed(0)} tokens/s`
      : 'no token yet';
  };
  show(ours, made, decided().length ? end(decided().at(-1)) : 0);
  show(plain, steps.map(s => s.x), steps.length ? end(steps.at(-1)) : 0);
  const n = D.blocks.flatMap(b => b.new).length;
  $('.passes').textContent =
    `They took turns, and each clock ran for its own passes alone. Speculation made ` +
    `${D.blocks.length} target passes for ${n} tokens (${(n / D.blocks.length).toFixed(2)} a pass): ` +
    `${n - D.blocks.length} passes saved.`;
};

// ---- theory
const theory = () => {
  const T = D.theory;
  if (!charts.theory.visible) return;
  if (T.why) {
    open('theory', { x: [1, 8], y: [0, 2] });
    return void $('.numbers').replaceChildren(node('p', T.why));
  }
  const top = Math.max(1.2, T.measured, ...T.rows.map(r => r[3])) * 1.12;
  const chart = open('theory', { x: [0.7, 8.3], y: [0, top] });
  chart
    .horizontal(1, { label: '' })
    .line(8, k => T.rows[k][0], k => T.rows[k][3], { dash: [6, 4], colour: C.green, width: 2 })
    .line(8, k => T.rows[k][0], k => T.rows[k][2], { colour: C.blue, width: 3 })
    .dot(D.K, T.measured, { colour: C.vermilion, radius: 7 })
    .note(8, 1, 'below 1: slower than plain')
    .note(1, T.rows[0][3], 'dashes: the paper’s v = 1', { dy: -30, colour: C.green })
    .note(D.K, T.measured, `measured ${format(T.measured)}`, { dy: 10, colour: C.vermilion })
    .note(T.best, T.rows[T.best - 1][2], `best K = ${T.best}`, { dy: -24, colour: C.blue });
  const table = node('table'),
    head = node('tr');
  for (const h of ['K', 'tokens a block', 'speed', 'with v = 1']) head.append(node('th', h));
  const body = node('tbody');
  for (const [K, tokens, speed, paper] of T.rows) {
    const row = node('tr', undefined, K === D.K ? 'here' : '');
    row.append(
      node('td', K),
      node('td', tokens.toFixed(2)),
      node('td', speed.toFixed(2)),
      node('td', paper.toFixed(2)),
    );
    body.append(row);
  }
  const thead = node('thead');
  thead.append(head);
  table.append(thead, body);
  const facts = node(
    'p',
    `From this run: α = ${fixed(T.alpha)}, c = ${fixed(T.c)}, v = ${fixed(T.v)}. The curve takes α for ` +
      'the same at every place, and v for the same at every K.',
  );
  $('.numbers').replaceChildren(facts, table);
};

// ---- the clock
const paint = () => {
  if (!D || !strip.isConnected) return;
  const seen = moments.filter(m => m <= S.t + EPS).length;
  clock.value = total ? Math.round((S.t / total) * 1000) : 0;
  const n = decided().flatMap(b => b.new).length;
  $('.when').textContent = `${S.t.toFixed(1)} ms · block ${decided().length} of ${D.blocks.length} · ${n} tokens`;
  clock.setAttribute('aria-valuetext', $('.when').textContent);
  const mark = `${seen} ${S.stage} ${items.indexOf(S.chosen)} ${$('.all').checked}`;
  if (mark === S.shown) return race();
  S.shown = mark;
  paintStrip();
  const item = current();
  if (!told.hasAttribute('data-hover')) told.textContent = item ? describe(item) : 'Nothing is decided yet.';
  ({ 1: inside, 2: caches, 3: race, 4: () => {}, 5: () => {} })[S.stage]();
};
const whole = () => {
  S.shown = '';
  if (!D) return;
  if (S.stage === 3) gantt();
  if (S.stage === 4) theory();
  paint();
};
const halt = () => {
  cancelAnimationFrame(S.playing);
  S.playing = 0;
  play.textContent = '▶ Play';
  play.setAttribute('aria-pressed', 'false');
};
const to = (t, keep) => {
  S.t = Math.max(0, Math.min(total, t));
  if (!keep) S.chosen = null;
  paint();
};
const start = () => {
  if (!D) return;
  if (S.t >= total - EPS) to(0);
  S.chosen = null;
  let before = performance.now();
  const tick = now => {
    if (!element.isConnected || !strip.offsetParent) return halt();
    S.t = Math.min(total, S.t + (now - before) * +$('.speed').value);
    before = now;
    S.playing = requestAnimationFrame(tick);
    paint();
    if (S.t >= total) {
      halt();
      whole();
    }
  };
  S.playing = requestAnimationFrame(tick);
  play.textContent = '⏸ Pause';
  play.setAttribute('aria-pressed', 'true');
};
play.addEventListener('click', () => (S.playing ? halt() : start()));
$('.next').addEventListener('click', () => {
  halt();
  const next = D?.blocks.find(b => !over(b));
  to(next ? end(next) : total);
});
$('.back').addEventListener('click', () => {
  halt();
  const done = D ? decided() : [];
  to(done.length > 1 ? end(done.at(-2)) : 0);
});
clock.addEventListener('input', () => {
  halt();
  to((clock.value / 1000) * total);
});
$('.all').addEventListener('change', paint);

// ---- tokens: hover tells, click chooses, arrow keys move
const itemOf = target => items.find(item => item.button === target.closest('button'));
const tell = (item, hover) => {
  told.toggleAttribute('data-hover', hover && !!item);
  const mine = item || current();
  told.textContent = mine ? describe(mine) : '';
};
strip.addEventListener('pointerover', e => tell(itemOf(e.target), true));
strip.addEventListener('pointerleave', () => tell(null, false));
strip.addEventListener('focusin', e => tell(itemOf(e.target), false));
strip.addEventListener('click', e => {
  const item = itemOf(e.target);
  if (!item) return;
  halt();
  S.chosen = item;
  if (S.stage !== 1) choose(1);
  else paint();
  tell(item, false);
});
strip.addEventListener('keydown', e => {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
  if (!by) return;
  e.preventDefault();
  const seen = items.filter(item => !item.whole.hidden),
    at = seen.indexOf(itemOf(e.target)) + by;
  if (!seen[at]) return;
  for (const item of items) item.button.tabIndex = item === seen[at] ? 0 : -1;
  seen[at].button.focus();
});
const ganttCanvas = charts.gantt.canvas;
const drag = e => {
  halt();
  to(charts.gantt.under(e));
};
ganttCanvas.addEventListener('pointerdown', e => {
  if (!D) return;
  ganttCanvas.setPointerCapture(e.pointerId);
  drag(e);
});
ganttCanvas.addEventListener('pointermove', e => {
  if (D && e.buttons) drag(e);
});

// ---- a new run, or more of the one that grows
const load = () => {
  const v = props.value;
  if (!v || !v.blocks) return;
  halt();
  D = v;
  S.chosen = null;
  build();
  S.t = total;
  if (v.blocks.length || v.done) {
    const root = $('.gb-speculation');
    root.dataset.run = v.key;
    root.dataset.done = v.done;
  }
  whole();
  strip.scrollTop = v.done ? 0 : strip.scrollHeight;
};
const choose = stages(element, stage => {
  S.stage = stage;
  whole();
});
watch('value', load);
load();
redraw(element, whole);
choose(1);
trigger('shown');
