// Shows the explanation of an image. All of its text may come from strangers: it becomes text
// nodes, and never markup.

const data = JSON.parse(document.getElementById("data").textContent);
const SHOWN = 25;

/** Text with its control, format and unassigned characters escaped. */
const printable = (text) =>
    String(text).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

/** An element with its class, and with elements or text in it. */
function make(tag, classes, ...children) {
    const element = document.createElement(tag);
    if (classes) element.className = classes;
    const node = (child) => (child instanceof Node ? child : printable(child));
    element.append(...children.filter((child) => child !== null).map(node));
    return element;
}

function bytes(size) {
    const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let unit = 0;
    while (size >= 1000 && unit < units.length - 1) {
        size /= 1000;
        unit += 1;
    }
    return `${unit ? size.toFixed(size < 100 ? 2 : 1) : size} ${units[unit]}`;
}

const count = (number, noun, nouns = `${noun}s`) => `${number.toLocaleString("en")} ${number === 1 ? noun : nouns}`;
const percent = (part, whole) => `${(whole ? (100 * part) / whole : 0).toFixed(1)} %`;
const files = data.files.map(([path, size, layer, state, by]) => ({ path, size, layer, state, by }));
const STATES = { v: "", o: "overwritten", d: "deleted" };
const fate = (file) => (file.by === null ? "" : `${STATES[file.state]} by layer ${file.by + 1}`);
const section = (title, ...children) => make("section", "", make("h2", "", title), ...children);

const more = (rest) => make("p", "quiet", `and ${rest.toLocaleString("en")} more`);

function list(items, shown, element) {
    const rest = items.length - shown;
    return [...items.slice(0, shown).map(element), ...(rest > 0 ? [more(rest)] : [])];
}

function table(heads, rows) {
    const cells = (tag, row) => row.map(([classes, ...children]) => make(tag, classes, ...children));
    const body = rows.map((row) => make("tr", "", ...cells("td", row)));
    return make("table", "", make("thead", "", make("tr", "", ...cells("th", heads))), make("tbody", "", ...body));
}

/** The treemap of what a container sees, or of one layer. */
function treemaps() {
    const { open, elements } = treemap();
    const views = [["Container", (file) => file.state === "v"]];
    data.layers.forEach((_, layer) => views.push([`Layer ${layer + 1}`, (file) => file.layer === layer]));
    const tabs = views.map(([name, isShown]) => {
        const tab = make("button", "", name);
        tab.type = "button";
        tab.addEventListener("click", () => {
            tabs.forEach((other) => other.setAttribute("aria-pressed", String(other === tab)));
            open(files.filter(isShown));
        });
        return tab;
    });
    const key = make("p", "quiet", make("span", "key lost"), "overwritten or deleted by a higher layer. Click a folder to look into it.");
    const wanted = Number(/^#layer-(\d+)$/.exec(location.hash)?.[1] ?? 0);
    return {
        section: section("Files by size", make("div", "tabs", ...tabs), ...elements, key),
        draw: () => (tabs[wanted] ?? tabs[0]).click(),
    };
}

// The tables.

function head() {
    const { image, digest, platform, configuration } = data;
    const created = configuration.created ? `, created ${configuration.created}` : "";
    return make("header", "",
        make("h1", "", image),
        make("p", "quiet", `${platform}${created}`),
        make("p", "quiet mono", digest));
}

function tiles() {
    const waste = data.overwritten.size + data.deleted.size + data.duplicated.size;
    const tile = (value, name) => make("div", "tile", make("b", "", value), make("span", "", name));
    return make("div", "tiles",
        tile(bytes(data.compressed), "to transfer"),
        tile(bytes(data.visible.size), `in ${count(data.visible.files, "file")}`),
        tile(String(data.layers.length), data.layers.length === 1 ? "layer" : "layers"),
        tile(bytes(waste), "wasted, before compression"));
}

function layers() {
    const largest = Math.max(...data.layers.map((layer) => layer.compressed), 1);
    const rows = data.layers.map((layer, at) => {
        const bar = make("i");
        bar.style.width = `${(100 * layer.compressed) / largest}%`;
        const whiteouts = layer.whiteouts ? `, ${count(layer.whiteouts, "whiteout")}` : "";
        return [
            ["number", String(at + 1)],
            ["", make("span", "mono", layer.created_by || "—"), make("small", "mono", layer.digest), make("small", "", `${count(layer.entries, "entry", "entries")}${whiteouts}`), make("div", "bar", bar)],
            ["number", bytes(layer.compressed)],
            ["number wide", bytes(layer.unpacked)],
        ];
    });
    return section("Layers", table([["number", "#"], ["", "made by"], ["number", "compressed"], ["number wide", "unpacked"]], rows));
}

function fileTable(files, shown = SHOWN) {
    const rows = files.slice(0, shown).map((file) => {
        const lost = fate(file);
        return [
            ["", make("span", "mono", file.path), make("small", "", `layer ${file.layer + 1}`, lost ? make("span", "bad", `, ${lost}`) : null)],
            ["number", bytes(file.size)],
        ];
    });
    const rest = files.length - rows.length;
    return make("div", "", table([["", "path"], ["number", "size"]], rows), rest > 0 ? more(rest) : null);
}

function waste() {
    const part = (name, amount, below) => [
        make("h3", "", `${name}: ${bytes(amount.size)} in ${count(amount.files, "file")}`),
        amount.files ? below() : null,
    ];
    const groups = () => make("ul", "plain", ...list(data.duplicates, 12, (group) => make("li", "",
        `${group.paths.length} × ${bytes(group.size)}`,
        make("small", "mono", group.paths.slice(0, 8).join("  ·  ") + (group.paths.length > 8 ? "  · …" : "")))));
    const lost = (state) => () => fileTable(files.filter((file) => file.state === state), SHOWN);
    return section("Waste",
        ...part("Overwritten by a higher layer", data.overwritten, lost("o")),
        ...part("Deleted by a higher layer", data.deleted, lost("d")),
        ...part("Copies of equal files", data.duplicated, groups));
}

function checks() {
    const mode = (file) => make("li", "mono", `${file.mode}  ${file.path}`);
    return section("Checks",
        make("h3", "", "What keeps a container from starting"),
        data.warnings.length
            ? make("ul", "", ...list(data.warnings, SHOWN, (warning) => make("li", "bad", warning)))
            : make("p", "quiet", "Nothing is known to be missing."),
        make("h3", "", "Files with setuid or setgid"),
        data.setuid.length ? make("ul", "plain", ...list(data.setuid, SHOWN, mode)) : make("p", "quiet", "There are none."));
}

/** A value of the configuration: its words, or its members one a line. */
function value(value) {
    if (Array.isArray(value)) return make("ul", "plain", ...value.map((item) => make("li", "mono", typeof item === "string" ? item : JSON.stringify(item))));
    if (value !== null && typeof value === "object") {
        const member = ([key, item]) => (typeof item === "string" ? `${key}=${item}` : Object.keys(item ?? {}).length ? `${key} ${JSON.stringify(item)}` : key);
        return make("ul", "plain", ...Object.entries(value).map((entry) => make("li", "mono", member(entry))));
    }
    return make("span", "mono", String(value));
}

function configuration() {
    const rows = Object.entries(data.configuration.config ?? {}).filter(([, item]) => item !== null);
    const notes = Object.entries(data.manifest.annotations ?? {});
    if (notes.length) rows.push(["annotations", Object.fromEntries(notes)]);
    rows.push(["configuration", data.manifest.config.digest]);
    return section("Configuration", make("dl", "", ...rows.flatMap(([name, item]) => [make("dt", "", name), make("dd", "", value(item))])));
}

function history() {
    const entries = data.configuration.history ?? [];
    let layer = 0;
    const item = (entry) => {
        const where = entry.empty_layer ? "no layer" : `layer ${(layer += 1)}`;
        const notes = [where, entry.created, entry.author, entry.comment].filter((note) => note);
        return make("li", "", make("span", "mono", entry.created_by || "—"), make("small", "", notes.join(", ")));
    };
    return section("History", entries.length ? make("ol", "", ...entries.map(item)) : make("p", "quiet", "There is none."));
}

const maps = treemaps();
const columns = (...sides) => make("div", "columns", ...sides.map((side) => make("div", "", ...side)));
document.title = printable(data.image);
document.querySelector("main").append(
    head(), tiles(), maps.section, layers(),
    columns([section("Largest files", fileTable(files))], [waste(), checks()]),
    columns([configuration()], [history()]),
);
maps.draw();
