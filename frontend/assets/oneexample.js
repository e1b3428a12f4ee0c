// The inputs move: one example before and after, its probabilities, the way there.
(function () {
  "use strict";

  const scope = (window.normscope = window.normscope || {});
  const lab = scope.adversary;
  const { element } = lab;
  const byId = (id) => document.getElementById(id);

  async function move({ job, peers, lane, attack, eps, index, symbol }) {
    const answer = await scope.ask(job, { name: "attack_example", attack, eps, index }, { lane, peers });
    if (lab.here("inputs")) tell(answer, `${symbol} ${scope.draw.number(eps, 3)}`);
  }

  function tell({ values, took }, size) {
    const { index, outcome, probabilities, pictures, label } = values;
    lab.chose(index);
    const classes = probabilities.columns.class;
    const rows = outcome.columns.before.map((_, place) => row(place, outcome.columns, classes, pictures, label));
    byId("example-pictures").replaceChildren(...rows);
    const fooled = outcome.columns.fooled[0];
    lab.say(`true class ${classes[label]} · at ${size} the network ${fooled ? "errs" : "is right"} · answered in ${Math.round(took)} ms`);
    lab.strength("A search: where it finds nothing, something may still be there. Run it below on many examples, with the checks of its card.");
    bars(probabilities.columns);
    looks(values);
  }

  function row(place, outcome, classes, pictures, label) {
    const made = element("div", null, { className: "example-row" });
    const seen = (at) => `seen as ${classes[at]}${at === label ? "" : `, is ${classes[label]}`}`;
    if (outcome.before.length > 1) made.append(element("strong", lab.names()[place]));
    if (!pictures) {
      made.append(element("p", `Before: ${seen(outcome.before[place])}. After a change of ${scope.draw.number(outcome.size[place], 3)}: ${seen(outcome.after[place])}.`));
      return made;
    }
    const scale = pictures.scale[`perturbation ${place}`];
    made.append(
      figure(pictures, "clean", "clean", seen(outcome.before[place])),
      figure(pictures, `perturbation ${place}`, "perturbation", `± ${scope.draw.number(scale, 3)}`),
      figure(pictures, `attacked ${place}`, "attacked", seen(outcome.after[place]))
    );
    return made;
  }

  function figure(pictures, group, name, caption) {
    const made = element("figure", null);
    const canvas = lab.picture(pictures, pictures.groups[group][0], name === "perturbation");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${name}: ${caption}`);
    const words = element("figcaption", null);
    words.append(element("span", name), element("strong", caption));
    made.append(canvas, words);
    return made;
  }

  // Grey or colour pictures as they are; a grey perturbation from blue over white to red.
  lab.picture = function ({ width, height, channels }, bytes, signed = false) {
    const canvas = element("canvas", null, { width, height, className: "pixels" });
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    for (let at = 0; at < width * height; at += 1) {
      const pixel = channels === 3 ? [0, 1, 2].map((channel) => bytes[3 * at + channel]) : signed ? diverging(bytes[channels * at]) : Array(3).fill(bytes[channels * at]);
      image.data.set([...pixel, 255], 4 * at);
    }
    context.putImageData(image, 0, 0);
    return canvas;
  };

  function diverging(byte) {
    const t = (byte - 127.5) / 127.5;
    const ends = t < 0 ? [5, 48, 97] : [103, 0, 31];
    return ends.map((end) => Math.round(247 + (end - 247) * Math.abs(t)));
  }

  function bars(columns) {
    const bar = (name, label, color, pattern) => ({
      type: "bar", x: columns.class, y: columns[name], name: label, hovertemplate: "%{y:.3f}",
      marker: { color: scope.draw.color(color), pattern: { shape: pattern } },
    });
    const traces = [bar("clean 0", "clean", "grey", ""), bar("attacked 0", "attacked", "vermillion", "")];
    if (columns["clean 1"]) traces.push(bar("clean 1", "other, clean", "sky", "/"), bar("attacked 1", "other, attacked", "blue", "/"));
    scope.draw.show("example-bars", traces);
  }

  function looks(values) {
    const line = (name, label, color, dash) => ({
      type: "scatter", mode: values[name].x.length > 1 ? "lines" : "markers", x: values[name].x, y: values[name].y,
      name: label, line: { color: scope.draw.color(color), dash, width: 1.8 }, hovertemplate: "%{y:.3f}",
    });
    const traces = [line("true/0", "true class", "blue", "solid"), line("taken/0", "class taken", "vermillion", "dot")];
    if (values["true/1"]) traces.push(line("true/1", "other: true class", "blue", "dash"), line("taken/1", "other: class taken", "vermillion", "dashdot"));
    scope.draw.show("example-looks", traces);
  }

  lab.modes.inputs = move;
})();
