// The layer map: a table of buttons, changed in place as numbers arrive, so that focus and scroll stay.
const { image, format } = window.Glassbox;
const $ = q => element.querySelector(q);
const node = (tag, text, cls) => {
  const n = document.createElement(tag);
  if (text !== undefined) n.textContent = text;
  if (cls) n.className = cls;
  return n;
};
const table = $('table');
const viridis = (() => {
  const { data } = image(1, 256, (_, c) => c, [0, 255])
    .getContext('2d')
    .getImageData(0, 0, 256, 1);
  return i => [...data.subarray(4 * i, 4 * i + 3)];
})();
// Black or white, whichever stands out more.
const ink = rgb => {
  const [r, g, b] = rgb.map(v => ((v / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? '#000' : '#fff';
};
let D = null,
  shape = '',
  buttons = [],
  at = [0, 0];

const finite = v => typeof v === 'number' && isFinite(v);
const isChosen = (r, c) => !!D.chosen && D.chosen[0] === r && D.chosen[1] === c;
const words = (r, c) => {
  const { value, text, mark } = D.cells[r][c];
  const number = value === null ? 'not yet computed' : `${text || format(value)} ${D.unit}`.trim();
  return `${D.rows[r]}, ${D.columns[c]}: ${number}${mark ? `, ${mark}` : ''}`;
};
const read = ([r, c]) => {
  $('.read').textContent = D.cells[r][c] ? words(r, c) + (isChosen(r, c) ? ' (chosen)' : '') : '';
};
const build = () => {
  const head = node('tr'),
    body = node('tbody'),
    top = node('thead');
  head.append(node('td'));
  for (const name of D.columns) {
    const th = node('th', name);
    th.scope = 'col';
    head.append(th);
  }
  top.append(head);
  buttons = D.rows.map((name, r) => {
    const line = node('tr'),
      th = node('th', name);
    th.scope = 'row';
    line.append(th);
    body.append(line);
    return D.columns.map((_, c) => {
      const td = node('td');
      line.append(td);
      if (!D.cells[r][c]) return null;
      const button = node('button');
      button.type = 'button';
      button.dataset.cell = `${r} ${c}`;
      button.append(node('span', '', 'number'), node('span', '', 'tag'));
      td.append(button);
      return button;
    });
  });
  table.replaceChildren(top, body);
  table.style.setProperty('--head', `${Math.max(2, ...D.rows.map(name => name.length))}ch`);
  table.classList.toggle('many', D.rows.length > 12);
};
const colours = () => {
  if (D.extent) return D.extent;
  const known = D.cells.flat().filter(cell => cell && finite(cell.value)).map(cell => cell.value);
  return known.length ? [Math.min(...known), Math.max(...known)] : null;
};
const fill = () => {
  const extent = colours();
  buttons.forEach((line, r) =>
    line.forEach((button, c) => {
      if (!button) return;
      const { value, text, mark } = D.cells[r][c],
        [number, tag] = button.children;
      button.classList.toggle('unknown', value === null);
      if (value === null) button.style.background = button.style.color = '';
      else {
        const [low, high] = extent || [0, 0],
          part = high > low ? (value - low) / (high - low) : 0;
        const rgb = viridis(Math.round(255 * Math.max(0, Math.min(1, part))));
        button.style.background = `rgb(${rgb.join()})`;
        button.style.color = ink(rgb);
      }
      number.textContent = value === null ? '' : text;
      tag.textContent = mark || '';
      button.setAttribute('aria-label', words(r, c));
      button.setAttribute('aria-pressed', isChosen(r, c));
      button.tabIndex = r === at[0] && c === at[1] ? 0 : -1;
    }),
  );
  $('.scale').hidden = !extent;
  if (extent) {
    const [low, high] = extent.map(v => format(+v.toPrecision(3)));
    $('.low').textContent = D.low ? `${D.low}: ${low}` : low;
    $('.high').textContent = D.high ? `${D.high}: ${high}` : high;
  }
};
const load = () => {
  const v = props.value;
  const full = !!(v && v.rows && v.rows.length);
  $('.nothing').hidden = full;
  $('.holds').hidden = !full;
  $('.nothing').textContent = (v && v.nothing) || 'Nothing yet.';
  $('.told').textContent = (v && v.told) || '';
  if (!full) return;
  D = v;
  const now = JSON.stringify([D.rows, D.columns, D.cells.map(line => line.map(cell => !cell))]);
  if (now !== shape) {
    build();
    const first = buttons.findIndex(line => line.some(b => b));
    at = D.chosen || [Math.max(0, first), Math.max(0, buttons[first]?.findIndex(b => b) ?? 0)];
  }
  shape = now;
  table.classList.toggle('marked', D.cells.some(line => line.some(cell => cell && cell.mark)));
  fill();
  read(D.chosen || at);
};

const cellOf = event => {
  const button = event.target.closest('button[data-cell]');
  return button && button.dataset.cell.split(' ').map(Number);
};
const move = cell => {
  buttons[at[0]]?.[at[1]]?.setAttribute('tabindex', -1);
  at = cell;
  buttons[at[0]][at[1]].tabIndex = 0;
  read(at);
};
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
table.addEventListener('keydown', event => {
  const step = STEPS[event.key];
  if (!step) return;
  event.preventDefault();
  // The next cell that is there: a layer may lack a matrix.
  let [r, c] = at;
  do [r, c] = [r + step[0], c + step[1]];
  while (buttons[r] && c >= 0 && c < D.columns.length && !buttons[r][c]);
  buttons[r]?.[c]?.focus();
});
table.addEventListener('focusin', event => {
  const cell = cellOf(event);
  if (cell) move(cell);
});
table.addEventListener('pointerover', event => {
  const cell = cellOf(event);
  if (cell) read(cell);
});
table.addEventListener('pointerleave', () => D && read(D.chosen || at));
table.addEventListener('click', event => {
  const cell = cellOf(event);
  if (!cell) return;
  props.value = D = { ...props.value, chosen: cell };
  move(cell);
  fill();
  read(cell);
  trigger('choose');
});
watch('value', load);
load();
trigger('shown');
