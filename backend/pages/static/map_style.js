// How the map looks: the network's own lines and stops on a plain ground, so no position reaches a tile server.

// Drawn from the fonts of the machine itself: without a glyph server MapLibre rasterises text locally.
const FONT = ['system-ui', 'sans-serif'];

export function palette() {
  const css = getComputedStyle(document.documentElement);
  const colour = (name) => css.getPropertyValue(name).trim();
  return {
    ground: colour('--map-ground'), casing: colour('--map-casing'), stop: colour('--map-stop'),
    ink: colour('--ink'), halo: colour('--map-ground'), team: colour('--team'), busy: colour('--team-busy'),
    vehicle: colour('--vehicle'), danger: colour('--danger'), seen: colour('--seen'), calm: colour('--calm'),
    accent: colour('--accent'), panel: colour('--panel'),
  };
}

export function styleOf(network, colours) {
  const collection = (kind) => ({
    type: 'geojson',
    data: { type: 'FeatureCollection', features: network.features.filter((one) => one.properties.kind === kind) },
  });
  const empty = { type: 'geojson', data: { type: 'FeatureCollection', features: [] } };
  return {
    version: 8,
    sources: {
      lines: collection('line'), stops: collection('stop'),
      accuracy: empty, vehicles: empty, teams: empty, links: empty, alerts: empty,
    },
    layers: [
      { id: 'ground', type: 'background', paint: { 'background-color': colours.ground } },
      ...networkLayers(colours),
      ...movingLayers(colours),
    ],
  };
}

function networkLayers(colours) {
  const heavy = ['match', ['get', 'mode'], ['metro', 'tram'], 2, 1];
  const width = (factor) => ['interpolate', ['linear'], ['zoom'], 10, ['*', heavy, 0.7 * factor], 15, ['*', heavy, 2.4 * factor]];
  const round = { 'line-cap': 'round', 'line-join': 'round' };
  return [
    { id: 'line-casing', type: 'line', source: 'lines', layout: round, paint: { 'line-color': colours.casing, 'line-width': width(2) } },
    {
      id: 'line', type: 'line', source: 'lines', layout: round,
      paint: { 'line-color': ['coalesce', ['get', 'color'], colours.stop], 'line-width': width(1), 'line-opacity': 0.75 },
    },
    {
      id: 'stop', type: 'circle', source: 'stops', minzoom: 12,
      paint: {
        'circle-radius': ['interpolate', ['linear'], ['zoom'], 12, 1.4, 16, 4.5],
        'circle-color': colours.ground, 'circle-stroke-color': colours.stop, 'circle-stroke-width': 1.2,
      },
    },
    label('stop-name', 'stops', colours, { minzoom: 14, size: 11, offset: [0, 0.9], anchor: 'top', field: 'name' }),
  ];
}

function movingLayers(colours) {
  return [
    { id: 'accuracy', type: 'fill', source: 'accuracy', paint: { 'fill-color': colours.accent, 'fill-opacity': 0.14, 'fill-outline-color': colours.accent } },
    { id: 'link', type: 'line', source: 'links', paint: { 'line-color': colours.team, 'line-width': 2, 'line-dasharray': [2, 1.5] } },
    {
      id: 'vehicle', type: 'circle', source: 'vehicles', minzoom: 11,
      paint: {
        'circle-radius': ['interpolate', ['linear'], ['zoom'], 11, 2, 16, 6], 'circle-color': colours.vehicle,
        'circle-stroke-color': colours.ground, 'circle-stroke-width': 1.5, 'circle-opacity': ['get', 'opacity'],
      },
    },
    label('vehicle-name', 'vehicles', colours, { minzoom: 14, size: 11, offset: [0, -0.9], anchor: 'bottom', field: 'label' }),
    {
      id: 'team', type: 'circle', source: 'teams',
      paint: {
        'circle-radius': 9, 'circle-opacity': ['get', 'opacity'],
        'circle-color': ['case', ['get', 'busy'], colours.busy, colours.team],
        'circle-stroke-color': colours.ground, 'circle-stroke-width': 2.5,
      },
    },
    label('team-name', 'teams', colours, { size: 13, offset: [0, 1.1], anchor: 'top', field: 'label', overlap: true }),
    {
      id: 'alert', type: 'symbol', source: 'alerts',
      layout: {
        'icon-image': ['get', 'icon'], 'icon-allow-overlap': true, 'icon-ignore-placement': true,
        'icon-size': ['case', ['get', 'selected'], 1.3, 1], 'symbol-sort-key': ['get', 'order'],
      },
    },
  ];
}

function label(id, source, colours, { minzoom = 0, size, offset, anchor, field, overlap = false }) {
  return {
    id, source, minzoom, type: 'symbol',
    layout: {
      'text-field': ['get', field], 'text-font': FONT, 'text-size': size, 'text-offset': offset,
      'text-anchor': anchor, 'text-allow-overlap': overlap, 'text-optional': true,
    },
    paint: { 'text-color': colours.ink, 'text-halo-color': colours.halo, 'text-halo-width': 1.6 },
  };
}

// One picture per priority and urgency: the shape says the priority, the colour only whether somebody must act.
export function alertPictures(colours) {
  const pictures = new Map();
  for (const priority of [1, 2, 3, 4]) {
    for (const [name, colour] of [['danger', colours.danger], ['seen', colours.seen], ['calm', colours.calm]]) {
      pictures.set(`alert-${priority}-${name}`, draw(priority, colour, colours.ground, name === 'danger' ? '#ffffff' : colours.panel));
    }
  }
  return pictures;
}

const SHAPES = {
  1: [[0.5, 0.06], [0.97, 0.9], [0.03, 0.9]],
  2: [[0.5, 0.02], [0.98, 0.5], [0.5, 0.98], [0.02, 0.5]],
  3: null,
  4: [[0.12, 0.12], [0.88, 0.12], [0.88, 0.88], [0.12, 0.88]],
};

function draw(priority, colour, edge, digit) {
  const size = 64;
  const canvas = Object.assign(document.createElement('canvas'), { width: size, height: size });
  const pen = canvas.getContext('2d');
  pen.beginPath();
  if (SHAPES[priority]) SHAPES[priority].forEach(([x, y], index) => pen[index ? 'lineTo' : 'moveTo'](x * size, y * size));
  else pen.arc(size / 2, size / 2, size * 0.42, 0, Math.PI * 2);
  pen.closePath();
  pen.lineWidth = 5;
  pen.lineJoin = 'round';
  pen.strokeStyle = edge;
  pen.fillStyle = colour;
  pen.stroke();
  pen.fill();
  pen.fillStyle = digit;
  pen.font = 'bold 28px system-ui, sans-serif';
  pen.textAlign = 'center';
  pen.textBaseline = 'middle';
  pen.fillText(String(priority), size / 2, size * (priority === 1 ? 0.64 : 0.52));
  return pen.getImageData(0, 0, size, size);
}
