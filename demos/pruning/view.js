// The stages, and how scores and weights part into those cut, those that come next and those kept.
const { Chart, format, COLOURS: C, redraw, stages } = window.Glassbox;
const charts = Object.fromEntries(
  [...element.querySelectorAll('canvas')].map(c => [c.dataset.panel, new Chart(c)]),
);
const TINTS = ['#f7f7f7', C.blue, C.orange]; // of the states, as in the mask
const ORDER = [1, 2, 0]; // from the ground up
let D = null;
const draw = () => {
  if (!D || !charts.scores.visible) return;
  for (const [name, xTitle] of [
    ['scores', 'score'],
    ['weights', 'weight'],
  ]) {
    const chart = charts[name],
      { counts, edges } = D[name],
      bins = counts[0].length,
      [low, high] = edges;
    const total = i => counts.reduce((sum, of) => sum + of[i], 0);
    let most = 1;
    for (let i = 0; i < bins; i++) most = Math.max(most, total(i));
    chart.open({ x: edges, y: [0, most], xTitle, yTitle: 'weights' });
    chart.clip(g => {
      for (let i = 0; i < bins; i++) {
        const x = chart.sx(low + ((high - low) * i) / bins),
          next = chart.sx(low + ((high - low) * (i + 1)) / bins);
        let under = 0;
        for (const state of ORDER) {
          const n = counts[state][i];
          if (!n) continue;
          const top = chart.sy(under + n),
            height = chart.sy(under) - top;
          g.fillStyle = TINTS[state];
          g.fillRect(x, top, next - x + 0.5, height);
          if (!state) {
            g.fillStyle = chart.ink; // an edge, as the ground may be as light
            g.fillRect(x, top, next - x + 0.5, 1);
          }
          under += n;
        }
      }
    });
    const sums = counts.map(of => of.reduce((a, b) => a + b, 0));
    chart.canvas.setAttribute(
      'aria-label',
      `Histogram, ${xTitle}: ${sums.map((n, i) => `${n} ${D.words[i]}`).join(', ')}`,
    );
  }
  const edge = D.threshold,
    chart = charts.scores;
  if (edge && edge[0] !== edge[1]) chart.band(edge[0], edge[1], { colour: C.vermilion, alpha: 0.2 });
  if (edge) chart.vertical(edge[1], { colour: C.vermilion });
};
const say = () => {
  const edge = D.threshold,
    told = element.querySelector('.told');
  told.replaceChildren();
  D.words.forEach((word, i) => {
    const swatch = document.createElement('i');
    swatch.style.background = TINTS[i];
    told.append(swatch, word);
  });
  const limit = !edge
    ? 'Scores are not compared over the whole matrix or row: there is no one threshold.'
    : edge[0] === edge[1]
      ? `Vermilion: the threshold, ${format(edge[0])}.`
      : `Vermilion: the rows' thresholds, ${format(edge[0])} to ${format(edge[1])}.`;
  told.append(`. ${limit} One score in a hundred lies further right.`);
};
// What each stage's pictures depend on: they are asked for when they are seen and were made for another.
const ASKS = {
  2: { stage2: 'key' },
  3: { stage3: 'sweep', texts: 'key' },
  4: { stage4: 'key' },
  6: { stage6: 'key' },
};
const EVENTS = ['stage2', 'stage3', 'texts', 'stage4', 'stage6'];
const made = {};
let open = 1;
const ask = () => {
  if (!D) return;
  for (const event of EVENTS) {
    const on = (ASKS[open] || {})[event];
    if (!on || made[event] === D[on]) continue;
    made[event] = D[on];
    trigger(event);
  }
};
const choose = stages(element, stage => {
  open = stage;
  draw();
  ask();
});
const load = () => {
  if (!props.value || !props.value.scores) return;
  D = props.value;
  element.firstElementChild.dataset.run = D.key;
  say();
  draw();
  ask();
};
watch('value', load);
redraw(element, draw);
choose(1);
load();
trigger('shown');
