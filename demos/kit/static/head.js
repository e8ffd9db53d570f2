// Runs before the page is drawn: which topic the address names, how the page looks, and the parts
// that every topic's script uses (window.Glassbox).
(() => {
  const config = window.gradio_config;
  const components = config ? config.components : [];
  const contents = 'contents';
  const slugs = components.filter(c => c.type === 'tabitem').map(c => c.props.id);
  const topic = () => {
    const asked = new URLSearchParams(location.search).get('topic');
    return slugs.includes(asked) ? asked : contents;
  };
  // Gradio draws the tab that its configuration names: naming ours here spares drawing two tabs.
  // The configuration is not a public name, so navigation also works where it is missing.
  const tabs = components.find(c => c.type === 'tabs' && c.props.elem_id === 'topics');
  if (tabs) tabs.props.selected = topic();

  const key = 'glassbox-dark';
  const stored = () => {
    try {
      return localStorage.getItem(key);
    } catch (e) {
      return null;
    }
  };
  const paint = () => {
    const dark = stored(),
      asked = new URLSearchParams(location.search).has('__theme');
    if (dark !== null && !asked) document.body.classList.toggle('dark', dark === '1');
    const on = document.body.classList.contains('dark');
    document.documentElement.style.colorScheme = on ? 'dark' : 'light';
  };
  const setDark = on => {
    try {
      localStorage.setItem(key, on ? '1' : '0');
    } catch (e) {
      /* private window: this page only */
    }
    document.body.classList.toggle('dark', on);
    document.documentElement.style.colorScheme = on ? 'dark' : 'light';
  };
  const start = () => {
    paint();
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => setTimeout(paint));
  };
  if (document.body) start();
  else addEventListener('DOMContentLoaded', start);
  const setLecture = on => document.documentElement.classList.toggle('lecture', !!on);

  window.Glassbox = { topic, setDark, setLecture };
})();
