// Stage tabs: one panel is open, the topic's column carries its number, arrow keys move on.
// stages(element, shown) returns choose(stage, focus); shown(stage) draws what came into view.
window.Glassbox.stages = (element, shown) => {
  const page = element.closest('.gb-topic');
  const all = q => [...element.querySelectorAll(q)];
  const tabs = all('[role=tab]');
  const choose = (stage, focus) => {
    if (page) page.dataset.stage = stage;
    for (const tab of tabs) {
      const on = +tab.dataset.stage === stage;
      tab.setAttribute('aria-selected', on);
      tab.tabIndex = on ? 0 : -1;
      if (on && focus) tab.focus();
    }
    for (const panel of all('[role=tabpanel]')) panel.hidden = +panel.dataset.stage !== stage;
    shown(stage);
  };
  for (const tab of tabs) {
    tab.addEventListener('click', () => choose(+tab.dataset.stage));
    tab.addEventListener('keydown', event => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      choose(((+tab.dataset.stage - 1 + by + tabs.length) % tabs.length) + 1, true);
    });
  }
  addEventListener('glassbox-stage', event => {
    if (event.detail.topic === page?.id && element.isConnected) choose(event.detail.stage);
  });
  return choose;
};
// Canvases are drawn again when their size changes, and when dark or lecture size is switched.
window.Glassbox.redraw = (element, draw) => {
  new ResizeObserver(draw).observe(element);
  for (const target of [document.body, document.documentElement])
    new MutationObserver(() => setTimeout(draw)).observe(target, {
      attributes: true,
      attributeFilter: ['class'],
    });
};
// A map over a picture: the picture in dim grey, and over each of its cells a yellow as strong as its value.
// weights: 0 to 1, row by row; at: where the picture lies, as x, y, width, height.
window.Glassbox.glow = (g, photo, weights, [rows, columns], [x, y, width, height]) => {
  g.save();
  g.filter = 'grayscale(1) brightness(0.75)';
  g.drawImage(photo, x, y, width, height);
  g.filter = 'none';
  g.fillStyle = '#fde725';
  const w = width / columns,
    h = height / rows;
  weights.forEach((weight, i) => {
    g.globalAlpha = 0.75 * weight;
    g.fillRect(x + (i % columns) * w, y + Math.floor(i / columns) * h, w + 0.5, h + 0.5);
  });
  g.restore();
};
