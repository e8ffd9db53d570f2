// The stages, and one weight on its way to a level. Each place of the line came with its level and its code:
// nothing is rounded here.
const { Chart, format, COLOURS: C, redraw, stages } = window.Glassbox;
const $ = q => element.querySelector(q);
const chart = new Chart($('canvas')),
  slider = $('.place');
let D = null,
  at = null; // a place of the line, or null: the weight itself

const node = (tag, text, cls) => {
  const n = document.createElement(tag);
  n.textContent = text;
  if (cls) n.className = cls;
  return n;
};
const now = () =>
  at === null
    ? { weight: D.weight, back: D.back, code: D.code }
    : { weight: D.places[at], back: D.rounded[at], code: D.numbers[at] };
const unit = () => (at === null ? D.unit : D.units[at]);
const nearest = w => {
  const first = D.places[0],
    step = D.places[1] - first;
  return Math.max(0, Math.min(D.places.length - 1, Math.round((w - first) / step)));
};

const draw = () => {
  if (!D || !chart.visible) return;
  const { weight, back } = now(),
    ends = [D.places[0], D.places[D.places.length - 1]];
  chart.open({ x: ends, y: [0, 1], xTitle: 'value of the weight', yTicks: false, margin: 1 });
  chart.clip(g => {
    const few = D.levels.length <= 40;
    g.strokeStyle = C.blue;
    for (const level of D.levels) {
      const x = chart.sx(level);
      g.lineWidth = few ? 2 : 1;
      g.globalAlpha = few ? 1 : 0.5;
      g.beginPath();
      g.moveTo(x, chart.sy(0.5));
      g.lineTo(x, chart.sy(0));
      g.stroke();
    }
    g.globalAlpha = 1;
    if (few) {
      g.fillStyle = chart.ink;
      g.textAlign = 'center';
      g.textBaseline = 'bottom';
      let last = -Infinity;
      D.levels.forEach((level, i) => {
        const x = chart.sx(level),
          text = String(D.codes[i]);
        if (x - last < g.measureText(text).width + 5) return;
        last = x;
        g.fillText(text, x, chart.sy(0.51));
      });
    }
    const from = chart.sx(weight),
      to = chart.sx(back),
      high = chart.sy(0.82),
      low = chart.sy(0.3);
    g.strokeStyle = g.fillStyle = C.vermilion;
    g.lineWidth = 3;
    g.beginPath();
    g.moveTo(from, high);
    g.lineTo(to, low);
    g.stroke();
    g.beginPath();
    g.arc(from, high, 6, 0, 7);
    g.fill();
    g.fillRect(to - 5, low - 5, 10, 10);
  });
  const lost = back - weight,
    zero = D.zero === null ? '' : ` + ${D.zero}`;
  const rows = [
    [D.stretched === 1 ? 'weight w' : `weight w × ${format(D.stretched)} (AWQ)`, format(weight)],
    [D.scale === null ? 'a float: no scale' : `w / s${zero}, s = ${format(D.scale)}`, format(unit())],
    ['code, and its bits', `${now().code} = ${D.patterns[now().code]}`, 'code'],
    [`value back; error ${format(lost)}`, format(back)],
  ];
  $('.steps').replaceChildren(
    ...rows.map(([words, value, cls]) => {
      const item = node('li', '', cls);
      item.append(node('span', words), node('b', value));
      return item;
    }),
  );
  $('.which').textContent =
    `Row ${D.row}, column ${D.column}${at === null ? '' : ', moved along the line'}: ● the weight → ■ its level`;
  $('.itself').disabled = at === null;
  slider.value = at === null ? nearest(D.weight) : at;
  slider.setAttribute('aria-valuetext', `weight ${format(weight)}, code ${now().code}, back ${format(back)}`);
};
slider.addEventListener('input', () => {
  at = +slider.value;
  draw();
});
$('.itself').addEventListener('click', () => {
  at = null;
  draw();
});
// Stages whose picture is about another run than the one above: they ask for theirs once they are seen.
const ASKS = { 3: 'stage3', 4: 'stage4', 5: 'stage5', 6: 'stage6' };
let stale = new Set(),
  open = 1;
const ask = () => {
  if (stale.delete(open)) trigger(ASKS[open]);
};
const choose = stages(element, stage => {
  open = stage;
  draw();
  ask();
});
const load = () => {
  const value = props.value;
  if (!value || !value.number) return;
  D = value.number;
  at = null;
  slider.max = D.places.length - 1;
  draw();
  if (value.key === element.firstElementChild.dataset.run) return;
  element.firstElementChild.dataset.run = value.key;
  stale = new Set([3, 4, 5, 6]);
  ask();
};
watch('value', load);
redraw(element, draw);
choose(1);
load();
trigger('shown');
