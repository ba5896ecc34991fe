"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const { charts, structures, groups } = read("linpot-charts");
  const coarse = window.matchMedia("(pointer: coarse)").matches;
  const axes = ["x", "y", "z"];
  const voigt = ["xx", "yy", "zz", "yz", "xz", "xy"];
  const config = {
    displaylogo: false,
    responsive: true,
    displayModeBar: "hover",
    showTips: false,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  };

  // plotly.js reads a few tags in texts: nothing from data may be one
  const plain = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

  const where = (chart, trace, k) => {
    const [structure, component] = trace.places[k];
    const [name, group, formula] = structures[trace.name][structure];
    let text = `<b>${plain(groups[group])}</b>, ${trace.name}<br>${plain(name)}<br>${plain(formula)}`;
    if (chart.property === "forces") {
      text += `, atom ${Math.floor(component / 3)} (${trace.symbols[k]}), ${axes[component % 3]}`;
    } else if (chart.property === "charges") {
      text += `, atom ${component}`;
    } else if (chart.property === "dipole") {
      text += `, ${axes[component]}`;
    } else if (chart.property === "stress") {
      text += `, ${voigt[component]}`;
    }
    return text;
  };

  const prepare = (chart) => {
    for (const trace of chart.data) {
      if (trace.places) {
        trace.text = trace.places.map((_, k) => where(chart, trace, k));
        if (trace.errors) {
          trace.predictions = trace.y;
          trace.customdata = trace.errors;
          trace.hovertemplate =
            `%{text}<br>reference %{x} ${chart.unit}<br>error %{customdata} ${chart.errorUnit}<extra></extra>`;
        } else {
          trace.hovertemplate = "%{text}<br>%{x}, %{y}<extra></extra>";
        }
      } else if (trace.hovertemplate && chart.layout.hovermode !== "x unified") {
        trace.hovertemplate += "<extra></extra>";
      }
    }
    const labelled = chart.data.filter((trace) => trace.showlegend !== false).length > 1;
    chart.layout = {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif", size: 12 },
      margin: { l: 56, r: 12, t: 28, b: 48 },
      showlegend: labelled,
      legend: { orientation: "h", x: 0, y: 1.01, yanchor: "bottom", font: { size: 12 } },
      hovermode: "closest",
      dragmode: coarse ? false : "zoom",
      hoverlabel: { bgcolor: "#2b323b", bordercolor: "#2b323b", font: { color: "#ffffff" }, align: "left", namelength: -1 },
      ...chart.layout,
    };
    return chart;
  };

  const drawn = [];
  const draw = (chart) => {
    const place = document.getElementById(chart.id);
    if (!place) return;
    prepare(chart);
    Plotly.newPlot(place, chart.data, chart.layout, config);
    drawn.push(chart);
  };

  const waiting = [...charts];
  const drawAll = () => { while (waiting.length) draw(waiting.shift()); };
  const drawNext = () => {
    if (!waiting.length) { document.documentElement.dataset.drawn = String(drawn.length); return; }
    draw(waiting.shift());
    setTimeout(drawNext, 0);
  };
  drawNext();

  const isParity = (chart) => chart.property !== undefined;

  const view = document.getElementById("view");
  view.addEventListener("change", () => {
    drawAll();
    for (const chart of drawn.filter(isParity)) {
      const place = document.getElementById(chart.id);
      const errors = view.value === "errors";
      const ys = chart.data.map((trace) =>
        trace.errors ? (errors ? trace.errors : trace.predictions) : errors ? [0, 0] : trace.x);
      Plotly.update(place, { y: ys }, {
        "yaxis.title.text": errors ? chart.errorTitle : chart.parityTitle,
        ...(errors ? { "yaxis.autorange": true } : { "yaxis.autorange": false, "yaxis.range": chart.range }),
      });
    }
  });

  const choice = document.getElementById("group");
  if (choice) {
    choice.addEventListener("change", () => {
      drawAll();
      for (const chart of drawn) {
        chart.data.forEach((trace, k) => {
          if (!trace.places) return;
          const chosen = [];
          trace.places.forEach(([structure], n) => {
            if (String(structures[trace.name][structure][1]) === choice.value) chosen.push(n);
          });
          Plotly.restyle(chart.id, {
            selectedpoints: [choice.value === "" ? null : chosen],
            unselected: [{ marker: { opacity: 0.06 } }],
            selected: [{ marker: { opacity: 0.9 } }],
          }, [k]);
        });
      }
    });
  }

  const refit = () => { for (const chart of drawn) Plotly.Plots.resize(chart.id); };
  window.addEventListener("beforeprint", () => {
    drawAll();
    document.querySelectorAll("details").forEach((one) => { one.dataset.open = one.open; one.open = true; });
    refit();
  });
  window.addEventListener("afterprint", () => {
    document.querySelectorAll("details").forEach((one) => { one.open = one.dataset.open === "true"; });
    refit();
  });
})();
