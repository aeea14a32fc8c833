// Two plots as plain SVG, each beside a table that says the same in numbers. A hidden count is not nought.

import { el } from '../../dom.js';
import { svg } from '../../line_map.js';
import { t } from '../../words.js';

// Upright bars, one for each hour, beginning in the evening: a night is read from left to right.
export function hourPlot(counts, { from = 18 } = {}) {
  const hours = Array.from({ length: 24 }, (_, at) => (at + from) % 24);
  const most = Math.max(1, ...counts.map((one) => one ?? 0));
  const [width, height, foot] = [720, 220, 28];
  const slot = width / 24;
  const parts = hours.flatMap((hour, at) => {
    const count = counts[hour];
    const high = ((count ?? 0) / most) * (height - foot - 24);
    const x = at * slot;
    return [
      count === null ? svg('rect', { class: 'bar few', x: x + 3, y: height - foot - 8, width: slot - 6, height: 8 }) : svg('rect', { class: 'bar', x: x + 3, y: height - foot - high, width: slot - 6, height: high }),
      count ? svg('text', { x: x + slot / 2, y: height - foot - high - 5, 'text-anchor': 'middle', 'font-size': 13 }, String(count)) : null,
      at % 2 === 0 ? svg('text', { class: 'axis', x: x + slot / 2, y: height - 8, 'text-anchor': 'middle', 'font-size': 13 }, `${hour} h`) : null,
    ];
  });
  return picture({ width, height, labelled: t('figures.hours') }, [svg('line', { class: 'axis-line', x1: 0, x2: width, y1: height - foot, y2: height - foot }), ...parts]);
}

// Lying bars with their names: [{label, count}], the longest first.
export function barPlot(items, labelled) {
  const shown = [...items].sort((a, b) => (b.count ?? 0) - (a.count ?? 0)).slice(0, 12);
  const most = Math.max(1, ...shown.map((one) => one.count ?? 0));
  const [width, row] = [720, 46];
  return picture({ width, height: Math.max(1, shown.length) * row, labelled }, shown.flatMap(({ label, count }, at) => {
    const long = ((count ?? 0) / most) * (width - 70);
    return [
      svg('text', { x: 0, y: at * row + 17, 'font-size': 15 }, label),
      svg('rect', { class: count === null ? 'bar few' : 'bar', x: 0, y: at * row + 23, width: count === null ? 12 : long, height: 15, rx: 3 }),
      svg('text', { x: (count === null ? 12 : long) + 8, y: at * row + 36, 'font-size': 15, class: 'value' }, count === null ? t('figures.few') : String(count)),
    ];
  }));
}

// One bar that is full at 100 %.
export function sharePlot(share) {
  return picture({ width: 720, height: 28, labelled: t('figures.accepted_share') }, [
    svg('rect', { class: 'bar-ground', x: 0, y: 2, width: 720, height: 24, rx: 6 }), svg('rect', { class: 'bar', x: 0, y: 2, width: 720 * share, height: 24, rx: 6 })]);
}

export function table(caption, headings, rows) {
  return el('table', {}, el('caption', {}, caption), el('thead', {}, el('tr', {}, headings.map((one) => el('th', { scope: 'col' }, one)))),
    el('tbody', {}, rows.map(([first, ...others]) => el('tr', {}, el('th', { scope: 'row' }, first), others.map((one) => el('td', {}, one))))));
}

function picture({ width, height, labelled }, children) {
  return svg('svg', { class: 'plot', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': labelled }, children);
}
