"use strict";
// A treemap: nested rectangles with the sizes of folders and files. It comes before page.js, whose
// functions it uses.

/** The tree of files. A folder with one folder in it is one node with it. */
function tree(files) {
    const root = { name: "", size: 0, below: new Map() };
    for (const file of files) {
        const names = file.path.split("/").filter((name) => name);
        let node = root;
        for (const [at, name] of names.entries()) {
            node.size += file.size;
            const isLast = at === names.length - 1;
            // A file and a folder of one name may be in different layers.
            const key = isLast ? `file ${file.layer} ${name}` : `folder ${name}`;
            if (!node.below.has(key)) node.below.set(key, { name, size: 0, above: node, below: new Map() });
            node = node.below.get(key);
        }
        node.size += file.size;
        node.file = file;
    }
    const nodes = [root];
    for (let node; (node = nodes.pop()); ) {
        while (node !== root && node.below.size === 1) {
            const only = [...node.below.values()][0];
            if (only.file) break;
            Object.assign(node, { name: `${node.name}/${only.name}`, below: only.below });
        }
        node.children = [...node.below.values()].sort((a, b) => b.size - a.size);
        for (const child of node.children) child.above = node;
        nodes.push(...node.children);
    }
    return root;
}

/** Places the nodes in a rectangle, in rows whose cells are as square as possible. */
function squarify(nodes, { x, y, w, h }, place) {
    let total = nodes.reduce((sum, node) => sum + node.size, 0);
    const scale = total > 0 ? (w * h) / total : 0;
    let at = 0;
    while (at < nodes.length && w > 0 && h > 0) {
        const side = Math.min(w, h);
        let [end, area, worst] = [at, 0, Infinity];
        while (end < nodes.length) {
            const next = area + nodes[end].size * scale;
            const largest = nodes[at].size * scale;
            const smallest = nodes[end].size * scale;
            const ratio = Math.max((side * side * largest) / (next * next), (next * next) / (side * side * smallest));
            if (ratio > worst) break;
            [worst, area, end] = [ratio, next, end + 1];
        }
        const depth = area / side;
        let along = 0;
        for (const node of nodes.slice(at, end)) {
            const length = (node.size * scale) / depth;
            place(node, w < h ? { x: x + along, y, w: length, h: depth } : { x, y: y + along, w: depth, h: length });
            along += length;
        }
        if (w < h) [y, h] = [y + depth, h - depth];
        else [x, w] = [x + depth, w - depth];
        at = end;
    }
}

/** A colour for each of the folders and files that hold most: what holds more than half of all is
 * replaced by what is in it, unless that is many small things. */
function colours(node) {
    let groups = [node];
    const isHeavy = (group) => group.size > node.size / 2 && group.children[0]?.size > node.size / 20;
    for (let heavy; (heavy = groups.find(isHeavy)); ) {
        groups = groups.flatMap((group) => (group === heavy ? heavy.children : [group]));
    }
    groups.sort((a, b) => b.size - a.size);
    return new Map(groups.map((group, at) => [group, `c${Math.min(at, 7)}`]));
}

const SMALLEST = 14; // square pixels
const HEAD = 17; // pixels

/** The treemap of some files, with the place of the folder that is shown. */
function treemap() {
    const map = make("div", "map");
    const crumbs = make("nav", "crumbs");
    const told = make("p", "told quiet");
    let root = tree([]);
    let shown = root;

    const path = (node) => {
        const names = [];
        for (; node && node.name; node = node.above) names.unshift(node.name);
        return `/${names.join("/")}`;
    };
    const tell = (node) => {
        const file = node.file;
        const what = file ? `layer ${file.layer + 1}${file.by === null ? "" : ", " + fate(file)}` : count(node.children.length, "entry", "entries");
        told.replaceChildren(
            make("code", "", path(node)), make("br"),
            `${bytes(node.size)}, ${percent(node.size, root.size)} of what is shown; ${what}`,
        );
    };
    const cell = (node, { x, y, w, h }, classes, label) => {
        const button = make("button", classes, label);
        Object.assign(button.style, { left: `${x}px`, top: `${y}px`, width: `${w}px`, height: `${h}px` });
        button.type = "button";
        map.append(button);
        if (!node) return;
        button.title = `${printable(path(node))}\n${bytes(node.size)}`;
        button.addEventListener("pointerenter", () => tell(node));
        button.addEventListener("focus", () => tell(node));
        button.addEventListener("click", () => show(node));
    };
    const draw = (node, place, above, hues) => {
        const hue = hues.get(node) ?? above;
        if (node.file) {
            const lost = node.file.by === null ? "" : " lost";
            cell(node, place, `file ${hue}${lost}`, place.w > 30 && place.h > 14 ? make("span", "", node.name) : "");
            return;
        }
        const hasHead = place.w > 44 && place.h > HEAD + 12;
        const edge = place.w > 12 && place.h > 12 ? 1.5 : 0;
        cell(node, place, `folder ${hue}`, hasHead ? make("span", "", node.name) : "");
        inside(node, {
            x: place.x + edge, y: place.y + (hasHead ? HEAD : edge),
            w: place.w - 2 * edge, h: place.h - (hasHead ? HEAD : edge) - edge,
        }, hue, hues);
    };
    const inside = (node, place, hue, hues) => {
        const scale = node.size > 0 ? (place.w * place.h) / node.size : 0;
        const large = node.children.filter((child) => child.size * scale >= SMALLEST);
        const small = node.children.slice(large.length);
        const rest = { size: small.reduce((sum, child) => sum + child.size, 0), count: small.length };
        squarify(rest.size > 0 ? [...large, rest] : large, place, (child, at) => {
            if (child !== rest) draw(child, at, hue, hues);
            else cell(null, at, `more ${hue}`, at.w > 60 && at.h > 14 ? make("span", "", `${rest.count} smaller`) : "");
        });
    };
    const show = (node) => {
        shown = node.file ? node.above : node;
        map.replaceChildren();
        crumbs.replaceChildren();
        const way = [];
        for (let at = shown; at; at = at.above) way.unshift(at);
        for (const [at, node] of way.entries()) {
            const step = make("button", "mono", at ? node.name : "/");
            step.type = "button";
            step.addEventListener("click", () => show(node));
            crumbs.append(...(at > 1 ? [" / ", step] : [step]));
        }
        crumbs.append(make("span", "quiet", `  ${bytes(shown.size)}`));
        inside(shown, { x: 0, y: 0, w: map.clientWidth, h: map.clientHeight }, "c7", colours(shown));
        if (!map.childElementCount) map.append(make("p", "told", "There are no files with contents."));
        tell(node);
    };
    const open = (files) => {
        root = tree(files);
        show(root);
    };
    addEventListener("resize", () => show(shown));
    return { open, elements: [crumbs, map, told] };
}
