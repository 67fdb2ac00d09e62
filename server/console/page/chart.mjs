// Chart: some lines over the last two minutes, drawn by hand as SVG. The newest point is at the
// right edge; a gap is a moment of which nothing is known. The numbers stand beside it as text, and
// in the picture's label, so that nobody needs to see the lines.
import {h, setAttribute, setText, svg} from './dom.mjs';
import {roundUp} from './rates.mjs';

const kWidth = 240;
const kHeight = 56;

// The path of `values` (null: a gap) on a scale up to `top`, of `capacity` points.
export function pathOf(values, top, capacity) {
  const step = kWidth / (capacity - 1);
  const first = capacity - values.length;
  let path = '';
  let pen = false;
  values.forEach((value, i) => {
    if (value === null) {
      pen = false;
      return;
    }
    const x = ((first + i) * step).toFixed(1);
    const y = (kHeight - (Math.min(value, top) / top) * (kHeight - 2) - 1).toFixed(1);
    path += `${pen ? 'L' : 'M'}${x} ${y}`;
    pen = true;
  });
  return path;
}

export class Chart {
  // lines: [{name, label, class}], `format` writes a value with its unit, which counts in powers of
  // `unit`.
  constructor({title, about, lines, format, capacity, unit = 1}) {
    Object.assign(this, {title, lines, format, capacity, unit});
    this.values = lines.map((line) => h('b', {class: `value ${line.class}`}, '–'));
    this.top = h('span', {class: 'top'}, '');
    this.paths = lines.map((line) => svg('path', {class: `line ${line.class}`}));
    this.area = svg('path', {class: `area ${lines[0].class}`});
    this.picture = svg(
      'svg',
      {viewBox: `0 0 ${kWidth} ${kHeight}`, preserveAspectRatio: 'none', role: 'img'},
      svg('path', {
        class: 'grid',
        d: `M0 .5H${kWidth}M0 ${kHeight / 2}H${kWidth}M0 ${kHeight - 0.5}H${kWidth}`,
      }),
      this.area,
      ...this.paths,
    );
    this.element = h(
      'figure',
      {class: 'chart', title: about},
      h(
        'figcaption',
        {},
        h('span', {class: 'name'}, title),
        h(
          'span',
          {class: 'values'},
          lines.map((line, i) =>
            h('span', {}, line.label === '' ? null : h('small', {}, line.label), this.values[i]),
          ),
        ),
      ),
      h('div', {class: 'plot'}, this.top, this.picture),
      h(
        'div',
        {class: 'axis', 'aria-hidden': 'true'},
        h('span', {}, '2 min ago'),
        h('span', {}, 'now'),
      ),
    );
  }

  update(series) {
    const drawn = this.lines.map((line) => series.of(line.name));
    const known = drawn.flat().filter((value) => value !== null);
    const highest = Math.max(0, ...known);
    const top = roundUp(highest, this.unit);
    drawn.forEach((values, i) => {
      const last = values.at(-1) ?? null;
      setText(this.values[i], last === null ? '–' : this.format(last));
      // A line of what must not happen is drawn when it does.
      const some = this.lines[i].class !== 'bad' || values.some((value) => value > 0);
      setAttribute(this.paths[i], 'd', some ? pathOf(values, top, this.capacity) : '');
      this.values[i].classList.toggle('some', last > 0);
    });
    setAttribute(this.area, 'd', this.areaOf(drawn[0], top));
    setText(this.top, known.length === 0 ? '' : this.format(top));
    setAttribute(this.picture, 'aria-label', this.sentence(drawn, highest));
  }

  // Below the first line, from its last unbroken stretch's begin to now.
  areaOf(values, top) {
    const begin = values.lastIndexOf(null) + 1;
    const stretch = values.slice(begin);
    if (stretch.length < 2) return '';
    const left = ((this.capacity - stretch.length) * kWidth) / (this.capacity - 1);
    const line = pathOf(stretch, top, this.capacity);
    return `${line}L${kWidth} ${kHeight}L${left.toFixed(1)} ${kHeight}Z`;
  }

  sentence(drawn, highest) {
    const now = this.lines.map((line, i) => {
      const last = drawn[i].at(-1) ?? null;
      return `${line.label} ${last === null ? 'unknown' : this.format(last)}`.trim();
    });
    return `${this.title}: now ${now.join(', ')}; highest of two minutes ${this.format(highest)}`;
  }
}
