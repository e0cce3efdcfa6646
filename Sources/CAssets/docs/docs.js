"use strict";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const make = (name, text, attributes = {}) => {
  const element = document.createElement(name);
  element.textContent = text;
  for (const attribute in attributes) element.setAttribute(attribute, attributes[attribute]);
  return element;
};
const operations = all(".op");

// A link to an operation opens it, also where the browser does not do that itself.
const reveal = () => {
  const place = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  const operation = place && place.closest(".op");
  if (!operation || operation.open) return;
  operation.open = true;
  place.scrollIntoView();
};
addEventListener("hashchange", reveal);
reveal();

// Finding. Every word must be in an operation's method, path, name or title.
const filter = document.getElementById("filter");
const found = document.getElementById("found");
const find = () => {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const operation of operations) {
    const has = words.every((word) => operation.dataset.find.includes(word));
    operation.hidden = !has;
    count += has;
  }
  for (const section of all("main > section")) {
    const inside = all(".op", section);
    section.hidden = words.length > 0 && inside.every((operation) => operation.hidden);
  }
  found.textContent = words.length ? `${count} of ${operations.length} operations` : "";
};
filter.addEventListener("input", find);
document.querySelector(".tools").hidden = false;
// A link leads to what the filter hides, too.
for (const link of all('a[href^="#"]')) {
  link.addEventListener("click", () => {
    if (!filter.value) return;
    filter.value = "";
    find();
  });
}

const toggle = document.getElementById("all");
toggle.addEventListener("click", () => {
  const open = toggle.textContent === "Open all";
  for (const operation of operations) operation.open = open;
  toggle.textContent = open ? "Close all" : "Open all";
});
let closed = [];
addEventListener("beforeprint", () => {
  closed = all("details:not([open])");
  for (const details of closed) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of closed) details.open = false;
});

// Copying. A page that did not come by TLS has no clipboard to write to; there it is selected.
const copy = async (pre, button) => {
  try {
    await navigator.clipboard.writeText(pre.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(pre);
    button.textContent = document.execCommand("copy") ? "Copied" : "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
};
for (const pre of all("pre[data-copy]")) {
  const box = make("div", "", { class: "copy" });
  const button = make("button", "Copy", { type: "button" });
  button.addEventListener("click", () => copy(pre, button));
  pre.replaceWith(box);
  box.append(pre, button);
}
for (const origin of all("[data-origin]")) origin.textContent = location.origin;

// Trying. What is in the form is what is sent, and what the line for the shell says.
const request = (form) => {
  const query = [];
  const headers = {};
  let path = form.dataset.path;
  for (const { name, value, dataset } of all("[data-in]", form)) {
    if (dataset.in === "path") path = path.replace(`{${name}}`, () => encodeURIComponent(value));
    else if (value === "") continue;
    else if (dataset.in === "header") headers[name] = value;
    else query.push(`${name}=${encodeURIComponent(value).replaceAll("%2C", ",")}`);
  }
  return { url: path + (query.length ? "?" + query.join("&") : ""), headers };
};
const word = (text) => "'" + text.replaceAll("'", "'\\''") + "'";
const shown = [
  "content-type", "etag", "last-modified", "cache-control", "link", "location", "retry-after",
  "ratelimit", "x-request-id",
];
const longest = 100000;
const pretty = (text, type) => {
  if (!/[/+]json\b/.test(type)) return text;
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
};
const send = async (form) => {
  if (form.ariaBusy === "true") return;
  const place = form.querySelector(".answer");
  const { url, headers } = request(form);
  form.ariaBusy = "true";
  const start = performance.now();
  try {
    const answer = await fetch(url, { headers, cache: "no-store", credentials: "omit" });
    const text = await answer.text();
    const time = Math.round(performance.now() - start);
    const status = make("p", "", { class: "result" });
    const code = make("span", String(answer.status), {
      class: "status s" + String(answer.status)[0],
    });
    status.append(code, ` ${answer.statusText} in ${time} ms`);
    const fields = document.createElement("dl");
    if (answer.redirected) fields.append(make("dt", "moved to"), make("dd", answer.url));
    for (const name of shown) {
      if (answer.headers.has(name)) {
        fields.append(make("dt", name), make("dd", answer.headers.get(name)));
      }
    }
    place.replaceChildren(status, fields);
    if (text) {
      const body = pretty(text, answer.headers.get("content-type") || "");
      const rest = body.length > longest ? `\n… and ${body.length - longest} more characters` : "";
      const pre = make("pre", "", { tabindex: "0", "aria-label": "Body of the answer" });
      pre.append(make("code", body.slice(0, longest) + rest));
      place.append(pre);
    }
  } catch (error) {
    place.replaceChildren(make("p", `There was no answer: ${error.message}`));
  } finally {
    form.ariaBusy = "false";
  }
};
for (const form of all("form.try")) {
  const line = form.parentElement.querySelector("pre.curl code");
  const update = () => {
    const { url, headers } = request(form);
    const lines = Object.entries(headers).map(([name, value]) => word(`${name}: ${value}`));
    line.textContent = ["curl " + word(location.origin + url)]
      .concat(lines.map((header) => `  -H ${header}`)).join(" \\\n");
  };
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
  form.hidden = false;
  update();
}
