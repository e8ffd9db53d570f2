// The paper's table: the head of a column sorts by it, numbers from the largest at first, names from A.
const heads = [...element.querySelectorAll('th[scope=col]')],
  body = element.querySelector('tbody');
const key = (row, column) => {
  const cell = row.children[column];
  return cell.dataset.value === undefined ? cell.textContent.replace('✂ ', '') : +cell.dataset.value;
};
heads.forEach((head, column) => {
  head.querySelector('button').addEventListener('click', () => {
    const first = column ? 'descending' : 'ascending',
      other = column ? 'ascending' : 'descending',
      order = head.getAttribute('aria-sort') === first ? other : first,
      sign = order === 'ascending' ? 1 : -1;
    for (const h of heads) h.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', order);
    const compare = (a, b) => {
      const [x, y] = [key(a, column), key(b, column)];
      return sign * (typeof x === 'number' ? x - y : x.localeCompare(y));
    };
    body.replaceChildren(...[...body.children].sort(compare));
    element.querySelector('.sorted').textContent = `Sorted by ${head.textContent}, ${order}.`;
  });
});
