// Two texts that grow, token by token: only what is new is added, so that nothing flickers.
const { format } = window.Glassbox;
const $ = q => element.querySelector(q);
const node = (tag, text, cls) => {
  const n = document.createElement(tag);
  if (text !== undefined) n.textContent = text;
  if (cls) n.className = cls;
  return n;
};
const texts = [...element.querySelectorAll('.text')],
  names = [...element.querySelectorAll('section .name')];
const written = [[], []]; // the spans of each text
let D = null,
  at = null; // [side, index] of the token that is read out

const quoted = text => `“${text.replaceAll('\n', '⏎')}”`;
const probability = p => (p > 0 && p < 0.001 ? format(+p.toPrecision(2)) : p.toFixed(3));
const write = k => {
  const spans = written[k],
    { tokens } = D.sides[k];
  let same = 0;
  while (same < spans.length && same < tokens.length && spans[same].textContent === tokens[same].text) same++;
  for (const span of spans.splice(same)) span.remove();
  for (let i = same; i < tokens.length; i++) {
    const span = node('span', undefined, 'tok'),
      { text } = tokens[i],
      blank = text.trim() ? text.length - text.trimStart().length : 0;
    // A frame is drawn around the word, without the space before it, which may end a line.
    span.append(text.slice(0, blank), node('span', text.slice(blank), 'word'));
    span.dataset.i = i;
    spans.push(span);
    texts[k].append(span);
  }
  spans.forEach((span, i) => {
    span.classList.toggle('parting', i === D.parts);
    span.classList.toggle('after', k === 1 && D.parts !== null && i > D.parts);
  });
  const flag = texts[k].querySelector('.flag'),
    place = D.parts === null ? null : spans[D.parts];
  if (!place) flag?.remove();
  else if (!flag || flag.nextSibling !== place) place.before(flag || node('em', 'they part here', 'flag'));
  texts[k].classList.toggle('writing', !D.done);
};
const read = () => {
  const token = at && D.sides[at[0]].tokens[at[1]];
  const [a, b] = D.sides.map(side => side.tokens.length);
  for (const span of element.querySelectorAll('.tok.read-out')) span.classList.remove('read-out');
  if (token) {
    written[at[0]][at[1]].classList.add('read-out');
    const words = `probability ${probability(token.p)} under ${D.sides[at[0]].name}`;
    $('.read').textContent = `Token ${at[1] + 1}, ${quoted(token.text)}: ${words}.`;
  } else if (!D.done) $('.read').textContent = `${Math.max(a, b)} tokens written …`;
  else if (D.parts === null) $('.read').textContent = `The texts are the same in all ${a} tokens.`;
  else
    $('.read').textContent =
      `The texts part at token ${D.parts + 1}. ` +
      'Point at a token, or walk with the arrow keys, for its probability.';
};
const laws = () => {
  const text = JSON.stringify([D.laws, D.sides.map(side => side.name)]);
  if ($('.laws').dataset.shown === text) return;
  $('.laws').dataset.shown = text;
  if (!D.laws) return $('.laws').replaceChildren();
  const { after, rows, rest, taken } = D.laws,
    most = Math.max(1e-9, ...rest, ...rows.flatMap(row => row.p)),
    table = node('table'),
    body = node('tbody'),
    head = node('tr'),
    top = node('thead');
  table.setAttribute('aria-label', 'Both laws of the next token');
  for (const name of ['next token', 'probability', '']) head.append(name ? node('th', name) : node('td'));
  const line = (name, pair, token) =>
    pair.forEach((p, k) => {
      const row = node('tr', undefined, `side-${k}`),
        track = node('td', undefined, 'track'),
        bar = node('i'),
        number = node('td', probability(p), 'number');
      if (!k) {
        const th = node('th');
        th.append(node('span', name));
        th.rowSpan = 2;
        th.scope = 'rowgroup';
        row.append(th);
      }
      bar.style.width = `${(100 * p) / most}%`;
      track.append(bar, node('span', D.sides[k].name, 'aloud'));
      if (token !== null && taken[k] === token) number.append(node('b', ' ◂ taken'));
      row.append(track, number);
      body.append(row);
    });
  for (const { token, p } of rows) line(quoted(token), p, token);
  line('all others', rest, null);
  top.append(head);
  table.append(top, body);
  const key = node('p', undefined, 'key');
  D.sides.forEach(({ name }, k) => {
    const item = node('span', undefined, `side-${k}`);
    item.append(node('i'), node('span', name));
    key.append(item);
  });
  const title = node('p', `The laws of the next token after ${quoted(after.trim())}`, 'name');
  $('.laws').replaceChildren(title, key, table);
};
const load = () => {
  const v = props.value,
    full = !!(v && v.sides && v.sides.length === 2);
  $('.nothing').hidden = full;
  $('.holds').hidden = !full;
  $('.nothing').textContent = (v && v.nothing) || 'Nothing yet.';
  $('.gb-reading').dataset.done = !!(v && v.done);
  if (!full) return;
  D = v;
  $('.prompt').textContent = D.prompt;
  for (const k of [0, 1]) {
    names[k].textContent = D.sides[k].name;
    texts[k].setAttribute('aria-label', `${D.sides[k].name}; arrow keys walk through its tokens`);
    write(k);
  }
  read();
  laws();
};
texts.forEach((text, k) => {
  text.addEventListener('pointerover', event => {
    const span = event.target.closest('.tok');
    if (!D || !span) return;
    at = [k, +span.dataset.i];
    read();
  });
  text.addEventListener('pointerleave', () => {
    at = null;
    if (D) read();
  });
  text.addEventListener('focus', () => {
    if (!D || !written[k].length || !text.matches(':focus-visible')) return;
    at = [k, D.parts !== null && written[k][D.parts] ? D.parts : 0];
    read();
  });
  text.addEventListener('blur', () => {
    at = null;
    if (D) read();
  });
  text.addEventListener('keydown', event => {
    const n = written[k].length,
      i = at && at[0] === k ? at[1] : -1;
    const [next, last] = [i + 1, i - 1];
    const to = { ArrowRight: next, ArrowDown: next, ArrowLeft: last, ArrowUp: last, Home: 0, End: n - 1 }[
      event.key
    ];
    if (to === undefined || !n) return;
    event.preventDefault();
    at = [k, Math.max(0, Math.min(n - 1, to))];
    read();
  });
});
watch('value', load);
load();
trigger('shown');
