"use strict";
// What the document says becomes text nodes and nothing else: no markup is ever made from it.
const byId = (id) => document.getElementById(id);
const BASE = location.pathname.replace(/\/docs\/?$/, "");
const METHODS = ["get", "head", "post", "put", "patch", "delete", "options"];
const MAX_SHOWN = 200000;
let spec = {};

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child != null));
  return node;
}

// ---- Schemas

function resolve(schema) {
  let found = schema || {};
  for (let hops = 0; found.$ref && hops < 20; hops++) {
    const steps = found.$ref.replace(/^#\//, "").split("/");
    found = steps.reduce((at, step) =>
      (at || {})[decodeURIComponent(step).replace(/~1/g, "/").replace(/~0/g, "~")], spec) || {};
  }
  if (found.allOf) return Object.assign({}, found, ...found.allOf.map(resolve));
  return found;
}

function options(schema) {
  return schema.anyOf || schema.oneOf ||
    (Array.isArray(schema.type) ? schema.type.map((type) => ({ ...schema, type })) : null);
}

function typeName(schema) {
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if ("const" in schema) return JSON.stringify(schema.const);
  const type = schema.type || "any";
  return schema.format ? `${type} (${schema.format})` : type;
}

function limits(schema) {
  const said = [];
  const range = (least, most, unit) => {
    if (least != null && most != null) said.push(`${least} to ${most}${unit}`);
    else if (least != null) said.push(`at least ${least}${unit}`);
    else if (most != null) said.push(`at most ${most}${unit}`);
  };
  range(schema.minimum, schema.maximum, "");
  range(schema.minLength, schema.maxLength, " characters");
  range(schema.minItems, schema.maxItems, " items");
  if (schema.pattern) said.push(`matches ${schema.pattern}`);
  if (schema.default != null) said.push(`default ${JSON.stringify(schema.default)}`);
  return said.join(", ");
}

/** Nodes that spell the schema out like a value, one property a line. */
function spell(given, indent = "", seen = []) {
  if (given && given.$ref) {
    if (seen.includes(given.$ref)) return [el("span", { class: "type" }, "…")];
    seen = [...seen, given.$ref];
  }
  const schema = resolve(given);
  const choices = options(schema);
  if (choices) {
    return choices.flatMap((choice, i) => (i ? [" | "] : []).concat(spell(choice, indent, seen)));
  }
  if (schema.type === "array") return ["[", ...spell(schema.items, indent, seen), "]"];
  if (schema.properties) {
    const deeper = indent + "  ";
    const lines = Object.entries(schema.properties).flatMap(([name, part]) => {
      const required = (schema.required || []).includes(name);
      const whole = resolve(part);
      const notes = [limits(whole), whole.properties ? "" : whole.description].filter(Boolean);
      const note = notes.length ? el("span", { class: "note" }, `  ${notes.join(". ")}`) : null;
      return [`\n${deeper}${name}${required ? "" : "?"}: `, ...spell(part, deeper, seen), note];
    });
    return ["{", ...lines, `\n${indent}}`];
  }
  if (schema.additionalProperties && schema.additionalProperties !== true) {
    return ["{ [name]: ", ...spell(schema.additionalProperties, indent, seen), " }"];
  }
  return [el("span", { class: "type" }, typeName(schema))];
}

/** A value to start from when filling in a body. */
function sample(given, depth = 0) {
  const schema = resolve(given);
  if (schema.example !== undefined) return schema.example;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  const choices = options(schema);
  if (choices) return sample(choices[0], depth + 1);
  if (schema.properties && depth < 6) {
    return Object.fromEntries(Object.entries(schema.properties)
      .map(([name, part]) => [name, sample(part, depth + 1)]));
  }
  const empty = { string: "", integer: 0, number: 0, boolean: false, array: [], object: {} };
  return schema.type in empty ? empty[schema.type] : null;
}

// ---- One route

const schemaBlock = (schema) => el("pre", { class: "schema", tabindex: "0" }, spell(schema));

const heading = (text) => el("h3", null, text);

const table = (rows) =>
  el("div", { class: "scroll" }, el("table", null, el("tbody", null, rows)));

function security(operation) {
  const needed = operation.security || spec.security || [];
  if (!needed.length) return el("p", { class: "note" }, "Public: no token needed.");
  const schemes = (spec.components || {}).securitySchemes || {};
  const ways = needed.map((way) => Object.keys(way).map((name) => {
    const scheme = schemes[name] || {};
    if (scheme.type === "http") return "Authorization: Bearer with an access token";
    return scheme.in === "query" ? `a media token as ?${scheme.name}=` : name;
  }).join(" and ") || "no token");
  return el("p", { class: "note" }, `Needs ${ways.join(", or ")}.`);
}

function parametersTable(parameters) {
  return table(parameters.map((item) => el("tr", null,
    el("th", { scope: "row" }, item.name),
    el("td", null, item.required ? `${item.in}, required` : item.in),
    el("td", null, spell(item.schema)),
    el("td", null, [item.description, limits(resolve(item.schema))].filter(Boolean).join(". ")))));
}

function responsesTable(responses) {
  return table(Object.entries(responses || {}).map(([status, given]) => {
    const response = resolve(given);
    const bodies = Object.entries(response.content || {}).map(([type, body]) =>
      body.schema && Object.keys(body.schema).length
        ? el("details", null, el("summary", null, type), schemaBlock(body.schema))
        : el("span", null, type));
    const good = Number(status) < 400;
    return el("tr", null,
      el("th", { scope: "row", class: good ? "good" : "bad" }, status),
      el("td", null, response.description || ""), el("td", null, bodies));
  }));
}

const field = (label, input) =>
  el("label", { class: "field" }, el("span", null, label), input);

function parameterInput(item) {
  const schema = resolve(item.schema);
  const common = { name: `${item.in}:${item.name}`, required: item.required };
  if (schema.enum) {
    const choices = item.required ? schema.enum : ["", ...schema.enum];
    return el("select", common, choices.map((value) => el("option", { value }, String(value))));
  }
  const hint = schema.default != null ? String(schema.default) : "";
  const numeric = schema.type === "integer" || schema.type === "number";
  return el("input", { ...common, placeholder: hint, inputmode: numeric ? "numeric" : null });
}

function bodyInputs(content) {
  const [type, body] = Object.entries(content)[0];
  if (type !== "multipart/form-data") {
    const text = JSON.stringify(sample(body.schema), null, 2);
    const box = el("textarea", { name: "body", spellcheck: "false", "aria-label": "Body" });
    box.value = text;
    return [el("p", { class: "note" }, `Body, ${type}`), box];
  }
  return Object.entries(resolve(body.schema).properties || {}).map(([name, part]) => {
    const schema = resolve(part);
    const isFile = schema.format === "binary" || schema.contentMediaType;
    return field(name, el("input", { name: `form:${name}`, type: isFile ? "file" : "text" }));
  });
}

function readForm(form, method, path) {
  const query = new URLSearchParams();
  const headers = {};
  let url = path;
  let body;
  for (const input of form.elements) {
    const [place, name] = [input.name.split(":")[0], input.name.slice(input.name.indexOf(":") + 1)];
    if (place === "path") url = url.replace(`{${name}}`, () => encodeURIComponent(input.value));
    else if (place === "query" && input.value !== "") query.append(name, input.value);
    else if (place === "header" && input.value !== "") headers[name] = input.value;
    else if (place === "form") {
      body = body || new FormData();
      const value = input.type === "file" ? input.files[0] : input.value;
      if (value) body.append(name, value);
    } else if (input.name === "body") {
      body = input.value;
      headers["Content-Type"] = "application/json";
    }
  }
  const token = byId("token").value.trim().replace(/^bearer\s+/i, "");
  if (token) headers.Authorization = `Bearer ${token}`;
  const asked = query.toString();
  return { url: BASE + url + (asked ? `?${asked}` : ""), method: method.toUpperCase(), headers, body };
}

function asCurl({ url, method, headers, body }) {
  const quote = (text) => `'${text.replace(/'/g, `'\\''`)}'`;
  const words = ["curl", "-X", method, quote(location.origin + url)];
  for (const [name, value] of Object.entries(headers)) {
    words.push("-H", name === "Authorization" ? '"Authorization: Bearer $TOKEN"'
      : quote(`${name}: ${value}`));
  }
  if (body instanceof FormData) {
    for (const [name, value] of body) {
      words.push("-F", quote(`${name}=${value instanceof File ? `@${value.name}` : value}`));
    }
  } else if (body !== undefined) words.push("-d", quote(body));
  return words.join(" ");
}

async function showBody(response, place) {
  const type = (response.headers.get("content-type") || "").split(";")[0];
  const blob = await response.blob();
  if (/^(image|audio)\//.test(type)) {
    const src = URL.createObjectURL(blob);
    place.append(type.startsWith("image/") ? el("img", { src, alt: "The answer, a picture" })
      : el("audio", { src, controls: true }));
    return;
  }
  if (!/json|text|xml/.test(type) && blob.size) {
    place.append(el("p", { class: "note" }, `${blob.size} bytes of ${type || "unnamed type"}`));
    return;
  }
  let text = await blob.text();
  try {
    const value = JSON.parse(text);
    text = JSON.stringify(value, null, 2);
    offerToken(value, place);
  } catch { /* not JSON: shown as it is */ }
  const cut = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}\n… ${text.length} characters` : text;
  if (cut) place.append(el("pre", { tabindex: "0" }, cut));
}

function offerToken(value, place) {
  const token = value && value.data && value.data.access_token;
  if (typeof token !== "string") return;
  const button = el("button", { type: "button", onclick: () => {
    byId("token").value = token;
    button.textContent = "Token in use";
    button.disabled = true;
  } }, "Use this token");
  place.append(button);
}

async function send(form, method, path, place) {
  const request = readForm(form, method, path);
  const button = form.querySelector(".send");
  place.replaceChildren(el("p", { class: "note" }, "Waiting for the answer…"));
  button.disabled = true;
  try {
    const began = performance.now();
    const response = await fetch(request.url, { ...request, credentials: "omit" });
    const took = Math.round(performance.now() - began);
    const id = response.headers.get("x-request-id");
    place.replaceChildren(
      el("pre", { class: "curl" }, asCurl(request)),
      el("p", null,
        el("span", { class: response.ok ? "good" : "bad" }, `${response.status} ${response.statusText}`),
        el("span", { class: "note" }, `  ${took} ms${id ? `, request id ${id}` : ""}`)));
    await showBody(response, place);
  } catch (error) {
    place.replaceChildren(el("p", { class: "bad" }, `No answer came: ${error.message}`));
  } finally {
    button.disabled = false;
  }
}

function tryIt(method, path, operation, parameters) {
  const answer = el("div", { class: "answer", "aria-live": "polite" });
  const form = el("form", { onsubmit: (event) => {
    event.preventDefault();
    send(form, method, path, answer);
  } },
  parameters.map((item) => field(`${item.name}${item.required ? " *" : ""}`, parameterInput(item))),
  operation.requestBody ? bodyInputs(resolve(operation.requestBody).content) : null,
  el("div", { class: "actions" },
    el("button", { type: "submit", class: "send" }, `Send ${method.toUpperCase()}`)));
  return [heading("Try it"), form, answer];
}

function inside({ method, path, operation, parameters, headToo }) {
  const body = operation.requestBody && Object.entries(resolve(operation.requestBody).content)[0];
  return el("div", { class: "inside" },
    operation.description ? el("p", null, operation.description) : null,
    security(operation),
    headToo ? el("p", { class: "note" }, "HEAD is answered too, without the body.") : null,
    parameters.length ? [heading("Parameters"), parametersTable(parameters)] : null,
    body ? [heading(`Body, ${body[0]}`), schemaBlock(body[1].schema)] : null,
    heading("Answers"), responsesTable(operation.responses),
    tryIt(method, path, operation, parameters));
}

function routeNode(route) {
  const node = el("details", { class: "route", id: route.id, ontoggle: () => {
    if (node.open && !node.querySelector(".inside")) node.append(inside(route));
  } },
  el("summary", null,
    el("span", { class: `method ${route.method}` }, route.method.toUpperCase()),
    el("span", { class: "path" }, route.path),
    el("span", { class: "says" }, route.operation.summary || "")));
  return node;
}

// ---- The page

function readRoutes() {
  const routes = Object.entries(spec.paths || {}).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method] && !(method === "head" && item.get)).map((method) => {
      const operation = item[method];
      const parameters = [...(item.parameters || []), ...(operation.parameters || [])].map(resolve);
      const headToo = method === "get" && item.head;
      return { method, path, operation, parameters, headToo, tag: (operation.tags || ["other"])[0],
        id: operation.operationId || `${method}-${path}`,
        words: `${method} ${path} ${operation.summary || ""} ${operation.tags || ""}`.toLowerCase() };
    }));
  return routes.sort((a, b) => a.tag.localeCompare(b.tag));
}

function show(routes) {
  const main = byId("routes");
  const contents = byId("contents");
  for (const tag of new Set(routes.map((route) => route.tag))) {
    const mine = routes.filter((route) => route.tag === tag);
    const links = mine.map((route) => (route.link = el("li", null,
      el("a", { href: `#${encodeURIComponent(route.id)}`, onclick: () => open(route.id) },
        el("span", { class: `method ${route.method}` }, route.method.toUpperCase()),
        el("span", null, route.path.replace(/^\/api\/v1/, ""))))));
    contents.append(el("h2", null, tag), el("ul", null, links));
    main.append(el("section", null, el("h2", null, tag),
      mine.map((route) => (route.node = routeNode(route)))));
  }
}

function open(id) {
  const node = byId(id);
  if (node && node.matches("details")) {
    node.open = true;
    node.scrollIntoView();
  }
}

function filter(routes) {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const route of routes) {
    const hit = words.every((word) => route.words.includes(word));
    route.node.hidden = route.link.hidden = !hit;
    found += hit;
  }
  for (const group of document.querySelectorAll("main section, nav ul")) {
    const empty = !group.querySelector("details:not([hidden]), li:not([hidden])");
    group.hidden = empty;
    if (group.matches("ul")) group.previousElementSibling.hidden = empty;
  }
  byId("status").textContent = words.length ? `${found} of ${routes.length} routes` : "";
}

function setUpTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const apply = () => { document.documentElement.dataset.theme = chosen || (dark.matches ? "dark" : "light"); };
  dark.addEventListener("change", apply);
  byId("theme").addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    apply();
  });
  apply();
}

async function start() {
  setUpTheme();
  try {
    const response = await fetch(`${BASE}/openapi.json`, { credentials: "omit" });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    spec = await response.json();
  } catch (error) {
    byId("status").textContent = `The description of the API could not be read: ${error.message}.`;
    return;
  }
  byId("version").textContent = (spec.info || {}).version || "";
  const routes = readRoutes();
  show(routes);
  filter(routes);
  byId("search").addEventListener("input", () => filter(routes));
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.matches("input, textarea, select")) {
      event.preventDefault();
      byId("search").focus();
    }
  });
  addEventListener("hashchange", () => open(decodeURIComponent(location.hash.slice(1))));
  if (location.hash) open(decodeURIComponent(location.hash.slice(1)));
}

start();
