// Small canvas charts whose parts follow one cursor, and the reader of packed arrays.
(() => {
  const half = (() => {
    const table = new Float32Array(65536);
    for (let i = 0; i < 65536; i++) {
      const sign = i & 0x8000 ? -1 : 1,
        exponent = (i >> 10) & 31,
        mantissa = i & 1023;
      table[i] =
        exponent === 0
          ? sign * mantissa * 2 ** -24
          : exponent === 31
            ? mantissa
              ? NaN
              : sign * Infinity
            : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
    }
    return table;
  })();
  const TYPES = { i2: Int16Array, u1: Uint8Array, f4: Float32Array };

  // One packed array: at(i) and row(r) give numbers whatever the type on the wire.
  class Part {
    constructor(buffer, { dtype, shape, at, scale }) {
      this.shape = shape;
      this.length = shape.reduce((a, b) => a * b, 1);
      this.width = shape[shape.length - 1];
      const raw = new (dtype === 'f2' ? Uint16Array : TYPES[dtype])(buffer, at, this.length);
      this.at = dtype === 'f2' ? i => half[raw[i]] : scale ? i => raw[i] * scale : i => raw[i];
    }
    cell(r, c) {
      return this.at(r * this.width + c);
    }
    row(r) {
      return Array.from({ length: this.width }, (_, c) => this.cell(r, c));
    }
    extent() {
      let low = Infinity,
        high = -Infinity;
      for (let i = 0; i < this.length; i++) {
        const v = this.at(i);
        if (v < low) low = v;
        if (v > high) high = v;
      }
      return [low, high];
    }
  }
  const unpack = (buffer, parts) =>
    Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, new Part(buffer, part)]));

  const COLOURS = {
    sky: '#56B4E9',
    green: '#009E73',
    vermilion: '#D55E00',
    orange: '#E69F00',
    purple: '#CC79A7',
    blue: '#0072B2',
  };
  const VIRIDIS = [
    '#440154',
    '#482878',
    '#3e4989',
    '#31688e',
    '#26828e',
    '#1f9e89',
    '#35b779',
    '#6ece58',
    '#b5de2b',
    '#fde725',
  ];
  const DIVERGING = ['#0072B2', '#56B4E9', '#f7f7f7', '#E69F00', '#D55E00'];
  const ramp = anchors => {
    const rgb = anchors.map(h => [1, 3, 5].map(i => parseInt(h.slice(i, i + 2), 16)));
    return Array.from({ length: 256 }, (_, i) => {
      const p = (i / 255) * (rgb.length - 1),
        k = Math.min(rgb.length - 2, Math.floor(p));
      return rgb[k].map((v, j) => v + (rgb[k + 1][j] - v) * (p - k));
    });
  };
  const MAPS = { viridis: ramp(VIRIDIS), diverging: ramp(DIVERGING) };

  const ticks = (low, high, most) => {
    const rough = (high - low) / Math.max(1, most);
    if (!(rough > 0)) return [low];
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map(m => m * power).find(s => s >= rough * 0.999);
    const out = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) out.push(k * step);
    return out;
  };
  // Between two logarithms to base 10: those of 1, 2 and 5 times each power, or of the powers alone.
  const decades = (low, high, most) => {
    for (const steps of [[1, 2, 5], [1]]) {
      const out = [];
      for (let k = Math.floor(low); k <= high; k++)
        for (const step of steps) out.push(k + Math.log10(step));
      const inside = out.filter(v => v >= low - 1e-9 && v <= high + 1e-9);
      if (inside.length <= most || steps.length === 1) return inside;
    }
  };
  const format = v => {
    const a = Math.abs(v);
    if (a < 1e-12) return '0';
    if (a >= 1e5 || a < 1e-3)
      return v
        .toExponential(3)
        .replace(/\.?0+e/, 'e')
        .replace('e+', 'e')
        .replace('-', '−');
    return String(+v.toPrecision(4)).replace('-', '−');
  };

  // An image of a 2-D array (value(row, column)), row 0 at the bottom, made once and drawn often.
  const image = (rows, columns, value, [low, high], map = 'viridis') => {
    const picture = new ImageData(columns, rows),
      lut = MAPS[map],
      span = high - low || 1;
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++) {
        const i = Math.max(0, Math.min(255, Math.round(((value(r, c) - low) / span) * 255)));
        const o = ((rows - 1 - r) * columns + c) * 4;
        picture.data[o] = lut[i][0];
        picture.data[o + 1] = lut[i][1];
        picture.data[o + 2] = lut[i][2];
        picture.data[o + 3] = 255;
      }
    const canvas = document.createElement('canvas');
    canvas.width = columns;
    canvas.height = rows;
    canvas.getContext('2d').putImageData(picture, 0, 0);
    return canvas;
  };

  // One chart in one canvas. open({x, y, xTitle, yTitle}) clears it and draws the axes.
  class Chart {
    constructor(canvas) {
      this.canvas = canvas;
    }
    get visible() {
      return this.canvas.offsetWidth > 1;
    }
    // right: room for a colour bar, in pixels; margin: for what stands at the left, in letters.
    // power: both axes are given as logarithms to base 10, and their ticks say the numbers.
    open({ x, y, xTitle = '', yTitle = '', yTicks = true, right = 0, margin = 3.9, power = false }) {
      const box = this.canvas.getBoundingClientRect(),
        d = devicePixelRatio || 1;
      const rem = parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
      this.font = Math.round(rem * 0.75);
      const w = Math.round(box.width * d),
        h = Math.round(box.height * d);
      if (this.canvas.width !== w) this.canvas.width = w;
      if (this.canvas.height !== h) this.canvas.height = h;
      const g = (this.g = this.canvas.getContext('2d'));
      g.setTransform(d, 0, 0, d, 0, 0);
      g.clearRect(0, 0, box.width, box.height);
      this.ink = getComputedStyle(this.canvas).color;
      this.left = Math.round(this.font * margin);
      this.right = box.width - 10 - right;
      this.top = Math.round(this.font * 1.5);
      this.bottom = box.height - Math.round(this.font * 2.7);
      [this.x0, this.x1] = x;
      [this.y0, this.y1] = y;
      if (this.x0 === this.x1) this.x1 += 1;
      if (this.y0 === this.y1) {
        this.y0 -= 1;
        this.y1 += 1;
      }
      const label = v => format(power ? 10 ** v : v),
        at = power ? decades : ticks;
      g.font = `${this.font}px system-ui, sans-serif`;
      g.fillStyle = this.ink;
      g.strokeStyle = this.ink;
      g.lineWidth = 1;
      g.textBaseline = 'top';
      g.textAlign = 'center';
      const across = Math.max(2, Math.floor((this.right - this.left) / (this.font * 6)));
      for (const v of at(this.x0, this.x1, across)) {
        const px = this.sx(v);
        this.faint(() => {
          g.beginPath();
          g.moveTo(px, this.top);
          g.lineTo(px, this.bottom);
          g.stroke();
        });
        g.fillText(label(v), Math.min(px, this.right - this.font), this.bottom + 4);
      }
      g.textAlign = 'right';
      g.textBaseline = 'middle';
      const up = Math.max(2, Math.floor((this.bottom - this.top) / (this.font * 2.2)));
      if (yTicks)
        for (const v of at(this.y0, this.y1, up)) {
          const py = this.sy(v);
          this.faint(() => {
            g.beginPath();
            g.moveTo(this.left, py);
            g.lineTo(this.right, py);
            g.stroke();
          });
          g.fillText(label(v), this.left - 5, py);
        }
      g.textBaseline = 'alphabetic';
      g.textAlign = 'left';
      g.fillText(yTitle, 2, this.font);
      g.textAlign = 'right';
      g.fillText(xTitle, this.right, box.height - 3);
      return this;
    }
    faint(draw, alpha = 0.16) {
      const g = this.g;
      g.save();
      g.globalAlpha = alpha;
      draw();
      g.restore();
    }
    clip(draw) {
      const g = this.g;
      g.save();
      g.beginPath();
      g.rect(this.left, this.top, this.right - this.left, this.bottom - this.top);
      g.clip();
      draw(g);
      g.restore();
      return this;
    }
    sx(v) {
      return this.left + ((v - this.x0) / (this.x1 - this.x0)) * (this.right - this.left);
    }
    sy(v) {
      return this.bottom - ((v - this.y0) / (this.y1 - this.y0)) * (this.bottom - this.top);
    }
    // The value of x under a pointer event.
    under(event) {
      const box = this.canvas.getBoundingClientRect();
      const f = (event.clientX - box.left - this.left) / (this.right - this.left);
      return this.x0 + Math.max(0, Math.min(1, f)) * (this.x1 - this.x0);
    }
    heightUnder(event) {
      const box = this.canvas.getBoundingClientRect();
      const f = (this.bottom - (event.clientY - box.top)) / (this.bottom - this.top);
      return this.y0 + Math.max(0, Math.min(1, f)) * (this.y1 - this.y0);
    }
    line(n, x, y, { colour = this.ink, width = 1.5, dash = [], alpha = 1, fill = false } = {}) {
      return this.clip(g => {
        g.strokeStyle = g.fillStyle = colour;
        g.lineWidth = width;
        g.setLineDash(dash);
        g.globalAlpha = alpha;
        g.beginPath();
        for (let i = 0; i < n; i++) {
          const px = this.sx(x(i)),
            py = this.sy(y(i));
          i ? g.lineTo(px, py) : g.moveTo(px, py);
        }
        if (fill && n) {
          g.lineTo(this.sx(x(n - 1)), this.sy(Math.max(0, this.y0)));
          g.lineTo(this.sx(x(0)), this.sy(Math.max(0, this.y0)));
          g.closePath();
          g.globalAlpha = alpha * 0.25;
          g.fill();
        } else g.stroke();
      });
    }
    // A long signal: the least and greatest value in each pixel column.
    envelope(signal, from, to, x, { colour = COLOURS.blue } = {}) {
      const columns = Math.max(1, Math.floor(this.right - this.left));
      if (to - from < columns * 2)
        return this.line(
          to - from,
          i => x(from + i),
          i => signal.at(from + i),
          { colour },
        );
      return this.clip(g => {
        g.fillStyle = colour;
        for (let c = 0; c < columns; c++) {
          const a = from + Math.floor((c * (to - from)) / columns),
            b = Math.max(a + 1, from + Math.floor(((c + 1) * (to - from)) / columns));
          let low = Infinity,
            high = -Infinity;
          for (let i = a; i < b; i++) {
            const v = signal.at(i);
            if (v < low) low = v;
            if (v > high) high = v;
          }
          const top = this.sy(high);
          g.fillRect(this.left + c, top, 1, Math.max(1, this.sy(low) - top));
        }
      });
    }
    stems(n, x, y, { colour = COLOURS.vermilion, radius = 2.5, stem = true } = {}) {
      return this.clip(g => {
        g.strokeStyle = g.fillStyle = colour;
        g.lineWidth = 1;
        for (let i = 0; i < n; i++) {
          const px = this.sx(x(i)),
            py = this.sy(y(i));
          if (stem) {
            g.globalAlpha = 0.5;
            g.beginPath();
            g.moveTo(px, this.sy(0));
            g.lineTo(px, py);
            g.stroke();
          }
          g.globalAlpha = 1;
          g.beginPath();
          g.arc(px, py, radius, 0, 7);
          g.fill();
        }
      });
    }
    steps(n, x, y, { colour = COLOURS.vermilion, width = 1.5 } = {}) {
      return this.clip(g => {
        g.strokeStyle = colour;
        g.lineWidth = width;
        g.beginPath();
        for (let i = 0; i < n; i++) {
          const px = this.sx(x(i)),
            py = this.sy(y(i));
          if (!i) g.moveTo(px, py);
          else {
            g.lineTo(px, this.sy(y(i - 1)));
            g.lineTo(px, py);
          }
        }
        g.stroke();
      });
    }
    // From the chart's lower edge, whatever value that is.
    bars(n, x0, x1, y, { colour = () => COLOURS.blue } = {}) {
      return this.clip(g => {
        for (let i = 0; i < n; i++) {
          const a = this.sx(x0(i)),
            b = this.sx(x1(i)),
            v = this.sy(y(i));
          g.fillStyle = colour(i);
          g.fillRect(a + 0.5, v, Math.max(1, b - a - 1), Math.max(1, this.bottom - v));
        }
      });
    }
    vertical(v, { colour = this.ink, label = '', dash = [4, 3], width = 1.5 } = {}) {
      const g = this.g,
        px = this.sx(v);
      g.save();
      g.strokeStyle = colour;
      g.lineWidth = width;
      g.setLineDash(dash);
      g.beginPath();
      g.moveTo(px, this.top);
      g.lineTo(px, this.bottom);
      g.stroke();
      g.restore();
      if (label) this.note(v, this.y1, label, { colour });
      return this;
    }
    horizontal(v, { colour = this.ink, label = '', dash = [4, 3] } = {}) {
      const g = this.g,
        py = this.sy(v);
      g.save();
      g.strokeStyle = colour;
      g.setLineDash(dash);
      g.beginPath();
      g.moveTo(this.left, py);
      g.lineTo(this.right, py);
      g.stroke();
      g.restore();
      if (label) this.note(this.x0, v, label, { colour });
      return this;
    }
    band(a, b, { colour = COLOURS.orange, alpha = 0.3 } = {}) {
      return this.clip(g => {
        g.globalAlpha = alpha;
        g.fillStyle = colour;
        g.fillRect(this.sx(a), this.top, Math.max(1, this.sx(b) - this.sx(a)), this.bottom - this.top);
      });
    }
    dot(x, y, { colour = COLOURS.vermilion, radius = 5 } = {}) {
      const g = this.g;
      g.save();
      g.fillStyle = colour;
      g.strokeStyle = this.ink;
      g.beginPath();
      g.arc(this.sx(x), this.sy(y), radius, 0, 7);
      g.fill();
      g.stroke();
      g.restore();
      return this;
    }
    // Words at a point of the chart, kept inside it.
    note(x, y, text, { colour = this.ink, dy = 0 } = {}) {
      const g = this.g;
      g.save();
      g.font = `${this.font}px system-ui, sans-serif`;
      const w = g.measureText(text).width,
        px = Math.min(Math.max(this.left + 3, this.sx(x) + 4), this.right - w - 3);
      const py = Math.max(this.top + 2, Math.min(this.bottom - this.font - 3, this.sy(y) + 2 + dy));
      g.globalAlpha = 0.8;
      g.fillStyle = getComputedStyle(this.canvas).getPropertyValue('--gb-ground') || '#fff';
      g.fillRect(px - 2, py - 1, w + 4, this.font + 4);
      g.globalAlpha = 1;
      g.fillStyle = this.ink;
      g.textBaseline = 'top';
      g.textAlign = 'left';
      g.fillText(text, px, py);
      if (colour !== this.ink) {
        g.fillStyle = colour;
        g.fillRect(px - 2, py + this.font + 2, w + 4, 2);
      }
      g.restore();
      return this;
    }
    heat(picture, { from = 0, to = picture.width } = {}) {
      return this.clip(g => {
        g.imageSmoothingEnabled = to - from > this.right - this.left;
        g.drawImage(
          picture,
          from,
          0,
          to - from,
          picture.height,
          this.left,
          this.top,
          this.right - this.left,
          this.bottom - this.top,
        );
      });
    }
    colourBar([low, high], title, map = 'viridis') {
      const g = this.g,
        x = this.right + 10,
        w = 12,
        h = this.bottom - this.top,
        lut = MAPS[map];
      for (let i = 0; i < h; i++) {
        const c = lut[Math.round((1 - i / h) * 255)];
        g.fillStyle = `rgb(${c.join()})`;
        g.fillRect(x, this.top + i, w, 1.5);
      }
      g.fillStyle = this.ink;
      g.textAlign = 'left';
      g.textBaseline = 'middle';
      for (const v of ticks(low, high, Math.max(2, h / (this.font * 2.5))))
        g.fillText(format(v), x + w + 4, this.bottom - ((v - low) / (high - low || 1)) * h);
      g.textBaseline = 'alphabetic';
      g.textAlign = 'right';
      g.fillText(title, this.canvas.getBoundingClientRect().width - 2, this.font);
      return this;
    }
    say(text) {
      this.canvas.setAttribute('aria-label', text);
      return this;
    }
  }
  Object.assign(window.Glassbox, { unpack, Chart, image, format, COLOURS });
})();
