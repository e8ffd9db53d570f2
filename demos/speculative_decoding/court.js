// The court: for each rule, how far its samples are from the target's law, beside the noise of sampling.
const { Chart, format, COLOURS: C, redraw } = window.Glassbox;
const $ = q => element.querySelector(q);
const charts = Object.fromEntries(
  [...element.querySelectorAll('canvas')].map(c => [c.dataset.panel, new Chart(c)]),
);
// One line for each rule, told apart by colour, dash and the letter at its end.
const STYLE = [
  [C.green, []],
  [C.orange, [8, 4]],
  [C.vermilion, [2, 3]],
  [C.purple, [10, 3, 2, 3]],
  ['#8a8a8a', []],
  [C.blue, [5, 5]],
];
const letter = i => 'ABCDEF'[i];
const log = Math.log10;
let D = null;

const draw = () => {
  if (!D) return;
  for (const [panel, chart] of Object.entries(charts)) {
    if (!chart.visible) continue;
    const [, xTitle, yTitle] = D.panels[panel],
      x = D.samples.map(log),
      noise = D[`${panel}_noise`];
    const all = D.rules.flatMap(r => r[panel]).concat(noise.flat()).filter(v => v > 0);
    const low = all.length ? Math.floor(log(Math.min(...all))) : -3;
    chart.open({
      x: [log(400), log(Math.max(2000, D.wanted) * 1.5)],
      y: [low, 0],
      xTitle,
      yTitle: `${yTitle} (TV)`,
      power: true,
    });
    const height = v => log(Math.max(v, 10 ** low));
    chart.clip(g => {
      g.fillStyle = C.sky;
      g.globalAlpha = 0.3;
      g.beginPath();
      x.forEach((v, i) => g.lineTo(chart.sx(v), chart.sy(height(noise[i][1]))));
      for (let i = x.length - 1; i >= 0; i--) g.lineTo(chart.sx(x[i]), chart.bottom);
      g.fill();
    });
    chart.line(x.length, i => x[i], i => height(noise[i][0]), { colour: C.blue, width: 1, dash: [2, 2] });
    D.rules.forEach((rule, r) => {
      const [colour, dash] = STYLE[r];
      chart.line(x.length, i => x[i], i => height(rule[panel][i]), { colour, dash, width: 2.5 });
    });
    // Letters at the right ends, moved apart where lines end together.
    const ends = D.rules
      .map((rule, r) => [chart.sy(height(rule[panel].at(-1) ?? 1)), r])
      .sort((a, b) => a[0] - b[0]);
    let above = -Infinity;
    const g = chart.g;
    g.textAlign = 'left';
    g.textBaseline = 'middle';
    g.fillStyle = chart.ink;
    if (x.length)
      for (const [y, r] of ends) {
        above = Math.max(y, above + chart.font);
        g.fillText(letter(r), chart.sx(x.at(-1)) + 5, above);
      }
  }
};
const node = (tag, text, cls) => {
  const n = document.createElement(tag);
  if (text !== undefined) n.textContent = text;
  if (cls) n.className = cls;
  return n;
};
const verdicts = () => {
  const table = node('table'),
    head = node('tr'),
    body = node('tbody');
  for (const h of ['rule', 'first token', 'first two', 'drafts kept', 'verdict']) head.append(node('th', h));
  D.rules.forEach((rule, r) => {
    const row = node('tr'),
      name = node('td', `${letter(r)}: ${rule.name}`, 'name');
    name.style.setProperty('--line', STYLE[r][0]);
    name.append(node('small', rule.words));
    const number = list => node('td', list.length ? format(+list.at(-1).toPrecision(3)) : '');
    row.append(name, number(rule.first), number(rule.pair));
    row.append(node('td', rule.acceptance === null ? '' : `${(rule.acceptance * 100).toFixed(0)} %`));
    const said = { true: ['✓ within the noise', 'kept'], false: ['✗ another law', 'left'] }[rule.lossless];
    row.append(said ? node('td', ...said) : node('td', ''));
    body.append(row);
  });
  const thead = node('thead');
  thead.append(head);
  table.append(thead, body);
  $('.verdicts').replaceChildren(table);
};
const load = () => {
  const v = props.value;
  if (!v || !v.rules) return;
  D = v;
  $('progress').value = v.done / v.wanted;
  $('.acting').textContent = `${v.acting} ${v.done.toLocaleString('en')} of ${v.wanted.toLocaleString('en')} samples`;
  $('.noise').textContent =
    `TV: total variation distance to the target's law. Shaded: what samples of the target itself reach, to ` +
    `${v.sigmas} standard deviations above their mean (dotted).`;
  $('.gb-court').dataset.done = v.done;
  draw();
  verdicts();
};
watch('value', load);
load();
redraw(element, draw);
