// The map: everything on it is also in a list, so a browser without WebGL loses a picture and no fact.

import { alertPictures, palette, styleOf } from './map_style.js';

export class LiveMap {
  constructor({ container, places, onAlert = () => {}, onTeam = () => {} }) {
    Object.assign(this, { container, places, onAlert, onTeam });
    this.data = new Map();
  }

  // True when the map draws; false when this browser cannot, and then the page simply has none.
  async start({ labelled }) {
    if (!hasWebGL()) return false;
    const vendor = document.documentElement.dataset.vendor;
    try {
      this.library = await import(`/vendor/maplibre-gl.mjs?v=${vendor}`);
    } catch {
      return false;
    }
    const bounds = this.places.bounds();
    const still = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    try {
      this.library.setWorkerUrl(`/vendor/maplibre-gl-worker.mjs?v=${vendor}`);
      this.map = new this.library.Map({
        container: this.container,
        style: styleOf(this.places.features, palette()),
        attributionControl: false,
        fadeDuration: 0,
        dragRotate: false,
        pitchWithRotate: false,
        maxZoom: 18,
        ...(bounds ? { bounds, fitBoundsOptions: { padding: 30 } } : { center: [5.38, 43.3], zoom: 11 }),
      });
    } catch {
      return false;
    }
    this.still = still;
    this.map.touchZoomRotate.disableRotation();
    this.map.addControl(new this.library.NavigationControl({ showCompass: false }), 'top-right');
    this.map.addControl(new this.library.ScaleControl({ maxWidth: 90 }), 'bottom-left');
    this.map.getCanvas().setAttribute('aria-label', labelled);
    this.map.on('styledata', () => this.restore());
    this.map.on('click', 'alert', (event) => this.onAlert(event.features[0].properties.id));
    this.map.on('click', 'team', (event) => this.onTeam(event.features[0].properties.id));
    for (const layer of ['alert', 'team']) {
      this.map.on('mouseenter', layer, () => { this.map.getCanvas().style.cursor = 'pointer'; });
      this.map.on('mouseleave', layer, () => { this.map.getCanvas().style.cursor = ''; });
    }
    document.addEventListener('vigie:theme', () => {
      this.map.setStyle(styleOf(this.places.features, palette()), { diff: false });
    });
    return true;
  }

  // A new style (day to night) empties the moving sources: they are filled again from what was shown last.
  restore() {
    if (!this.map.getSource('alerts')) return;
    if (!this.map.hasImage('alert-1-danger')) {
      for (const [name, picture] of alertPictures(palette())) this.map.addImage(name, picture, { pixelRatio: 2 });
      for (const [name, features] of this.data) this.fill(name, features);
    }
  }

  show(name, features) {
    this.data.set(name, features);
    if (this.map?.getSource(name)) this.fill(name, features);
  }

  fill(name, features) {
    this.map.getSource(name).setData({ type: 'FeatureCollection', features });
  }

  goTo({ longitude, latitude }, zoom = 14.5) {
    const view = { center: [longitude, latitude], zoom: Math.max(this.map?.getZoom() ?? 0, zoom) };
    if (this.still) this.map?.jumpTo(view);
    else this.map?.easeTo({ ...view, duration: 500 });
  }

  fit(points) {
    if (!this.map || points.length === 0) return;
    const bounds = new this.library.LngLatBounds();
    for (const { longitude, latitude } of points) bounds.extend([longitude, latitude]);
    this.map.fitBounds(bounds, { padding: 60, maxZoom: 15.5, animate: !this.still });
  }
}

export function point({ longitude, latitude }, properties) {
  return { type: 'Feature', properties, geometry: { type: 'Point', coordinates: [longitude, latitude] } };
}

export function segment(from, to) {
  const coordinates = [[from.longitude, from.latitude], [to.longitude, to.latitude]];
  return { type: 'Feature', properties: {}, geometry: { type: 'LineString', coordinates } };
}

// The circle in which the phone is with 95 % probability.
export function circle({ longitude, latitude }, radius_m) {
  const ring = [];
  const perDegree = 111195;
  for (let step = 0; step <= 48; step += 1) {
    const angle = (step / 48) * Math.PI * 2;
    ring.push([
      longitude + (Math.cos(angle) * radius_m) / (perDegree * Math.cos((latitude * Math.PI) / 180)),
      latitude + (Math.sin(angle) * radius_m) / perDegree,
    ]);
  }
  return { type: 'Feature', properties: {}, geometry: { type: 'Polygon', coordinates: [ring] } };
}

function hasWebGL() {
  const canvas = document.createElement('canvas');
  return Boolean(canvas.getContext('webgl2'));
}
