// Two pens that know the same few strokes: one paints a canvas, the other writes an SVG drawing.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const FONT = "Inter, system-ui, sans-serif";
  const DASHES = { dash: [7, 5], dot: [2, 4], dashdot: [7, 4, 2, 4], longdash: [12, 5] };
  const HALO = 4; // keeps words apart from the lines behind them
  const font = ({ size = 11.5, bold }) => `${bold ? "600 " : ""}${size}px ${FONT}`;

  function canvasPen(context) {
    const pen = {
      begin: () => context.beginPath(),
      move: (x, y) => context.moveTo(x, y),
      to: (x, y) => context.lineTo(x, y),
      stroke({ color, width = 1, dash, opacity = 1 }) {
        Object.assign(context, { strokeStyle: color, lineWidth: width, globalAlpha: opacity, lineJoin: "bevel" });
        context.setLineDash(DASHES[dash] || []);
        context.stroke();
        context.globalAlpha = 1;
      },
      fill({ color, opacity = 1 }) {
        Object.assign(context, { fillStyle: color, globalAlpha: opacity });
        context.fill();
        context.globalAlpha = 1;
      },
      disc(x, y, radius, style) {
        pen.begin();
        context.arc(x, y, radius, 0, 2 * Math.PI);
        pen.fill(style);
      },
      text(x, y, words, style) {
        context.save();
        context.translate(x, y);
        if (style.turn) context.rotate((style.turn * Math.PI) / 180);
        Object.assign(context, { font: font(style), fillStyle: style.color, textAlign: style.align || "left", textBaseline: "middle" });
        if (style.halo) {
          Object.assign(context, { strokeStyle: style.halo, lineWidth: HALO, lineJoin: "round" });
          context.setLineDash([]);
          context.strokeText(words, 0, 0);
        }
        context.fillText(words, 0, 0);
        context.restore();
      },
      width(words, style = {}) {
        context.font = font(style);
        return context.measureText(words).width;
      },
      clip({ left, top, width, height }) {
        context.save();
        context.beginPath();
        context.rect(left, top, width, height);
        context.clip();
      },
      unclip: () => context.restore(),
    };
    return pen;
  }

  // `ruler` is a canvas pen: an SVG has to be told where words end.
  function svgPen(ruler) {
    const parts = [];
    const round = (value) => Math.round(value * 100) / 100;
    const escape = (text) => String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
    const ANCHORS = { center: "middle", right: "end" };
    let path = [];
    let clips = 0;
    return {
      begin: () => (path = []),
      move: (x, y) => path.push(`M${round(x)} ${round(y)}`),
      to: (x, y) => path.push(`L${round(x)} ${round(y)}`),
      stroke: ({ color, width = 1, dash, opacity = 1 }) =>
        parts.push(`<path d="${path.join("")}" fill="none" stroke="${color}" stroke-width="${width}" stroke-opacity="${opacity}" stroke-dasharray="${(DASHES[dash] || ["none"]).join(" ")}"/>`),
      fill: ({ color, opacity = 1 }) => parts.push(`<path d="${path.join("")}Z" fill="${color}" fill-opacity="${opacity}"/>`),
      disc: (x, y, radius, { color, opacity = 1 }) => parts.push(`<circle cx="${round(x)}" cy="${round(y)}" r="${radius}" fill="${color}" fill-opacity="${opacity}"/>`),
      text(x, y, words, { size = 11.5, bold, color, align, halo, turn = 0 }) {
        const place = `transform="translate(${round(x)} ${round(y)}) rotate(${turn})" text-anchor="${ANCHORS[align] || "start"}" dominant-baseline="central"`;
        const behind = halo ? ` paint-order="stroke" stroke="${halo}" stroke-width="${HALO}"` : "";
        parts.push(`<text ${place}${behind} font-family="${FONT}" font-size="${size}" font-weight="${bold ? 600 : 400}" fill="${color}">${escape(words)}</text>`);
      },
      width: ruler.width,
      clip({ left, top, width, height }) {
        clips += 1;
        parts.push(`<clipPath id="clip${clips}"><rect x="${left}" y="${top}" width="${width}" height="${height}"/></clipPath><g clip-path="url(#clip${clips})">`);
      },
      unclip: () => parts.push("</g>"),
      drawing: (width, height, page) =>
        `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"><rect width="100%" height="100%" fill="${page}"/>${parts.join("")}</svg>`,
    };
  }

  scope.pens = { canvasPen, svgPen };
})();
