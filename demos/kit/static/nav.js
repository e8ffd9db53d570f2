// The navigation: real links, chosen without a trip to the server; the address follows, back and
// forward work. trigger('go') lets Gradio select the tab that window.Glassbox.topic() names.
const G = window.Glassbox,
  root = document.documentElement;
const links = [...element.querySelectorAll('a[data-topic]')];
const groups = [...element.querySelectorAll('[data-section]')];
const select = element.querySelector('select');
const dark = element.querySelector('.gb-dark'),
  lecture = element.querySelector('.gb-lecture');
const site = document.title;

const paint = () => {
  const topic = G.topic();
  let title = '';
  for (const link of links) {
    const on = link.dataset.topic === topic;
    if (on) {
      link.setAttribute('aria-current', 'page');
      title = link.title || link.textContent;
    } else link.removeAttribute('aria-current');
  }
  for (const group of groups) group.toggleAttribute('data-current', !!group.querySelector('[aria-current]'));
  select.value = topic;
  document.title = title && topic !== 'contents' ? `${title} · ${site}` : site;
};
const go = topic => {
  if (topic === G.topic()) return;
  const address = new URL(location);
  address.searchParams.set('topic', topic);
  history.pushState({}, '', address);
  paint();
  scrollTo(0, 0);
  trigger('go');
};
// Cards on the contents page are links to topics too.
document.addEventListener('click', event => {
  const link = event.target.closest('a[data-topic]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go(link.dataset.topic);
});
select.addEventListener('change', () => go(select.value));
addEventListener('popstate', () => {
  paint();
  trigger('go');
});

const show = () => {
  dark.setAttribute('aria-pressed', document.body.classList.contains('dark'));
  lecture.setAttribute('aria-pressed', root.classList.contains('lecture'));
};
dark.addEventListener('click', () => G.setDark(!document.body.classList.contains('dark')));
lecture.addEventListener('click', () => {
  G.setLecture(!root.classList.contains('lecture'));
  trigger('size');
});
const observer = new MutationObserver(show);
observer.observe(document.body, { attributes: true, attributeFilter: ['class'] });
observer.observe(root, { attributes: true, attributeFilter: ['class'] });
show();
paint();
