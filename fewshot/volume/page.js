"use strict";
// Turns the surfaces (WebGL 2) and steps through the slices (canvas). Needs nothing but the data
// in the page.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const state = { slice: data.start, turn: 0.7, tilt: 0.35, zoom: 1, hidden: new Set(), off: new Set() };

  const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const hex = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16) / 255);

  // --- slices -----------------------------------------------------------------------------------
  const view = byId("slice");
  const pen = view.getContext("2d");
  const images = data.slices.map((one) => {
    if (!one.image) return null;
    const image = new Image();
    image.src = one.image;
    return image;
  });

  function drawSlice() {
    const one = data.slices[state.slice];
    const [height, width] = data.size;
    const scale = view.width / width;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, view.width, view.height);
    const image = images[state.slice];
    if (image && image.complete && image.naturalWidth) pen.drawImage(image, 0, 0, view.width, view.height);
    const down = view.height / height;
    data.readers.forEach((reader, place) => {
      if (state.off.has(place)) return;
      pen.strokeStyle = reader.color;
      pen.lineWidth = place ? 1.6 : 2.2;
      pen.setLineDash(place ? [5, 3] : []);
      for (const [structure, points] of reader.outlines[state.slice]) {
        if (state.hidden.has(structure)) continue;
        pen.beginPath();
        for (let at = 0; at < points.length; at += 2) {
          pen.lineTo((points[at] + 0.5) * scale, (points[at + 1] + 0.5) * down);
        }
        pen.closePath();
        pen.stroke();
      }
    });
    byId("place").textContent = `${one.name} · ${state.slice + 1} of ${data.slices.length} · ${one.position} mm`;
    byId("slider").value = state.slice;
    document.documentElement.dataset.slice = state.slice;
  }

  // --- surfaces ---------------------------------------------------------------------------------
  const canvas = byId("mesh");
  const gl = canvas.getContext("webgl2", { antialias: true, preserveDrawingBuffer: true });
  if (!gl) byId("no-webgl").hidden = false;

  const SURFACE = [
    `#version 300 es
     in vec3 place; in vec3 normal; uniform mat4 view; uniform mat3 turn; out vec3 facing;
     void main() { facing = turn * normal; gl_Position = view * vec4(place, 1.0); }`,
    `#version 300 es
     precision highp float; in vec3 facing; uniform vec3 color; out vec4 shade;
     void main() {
       vec3 n = normalize(facing);
       float lit = 0.35 + 0.6 * abs(dot(n, normalize(vec3(0.3, 0.5, 0.8)))) + 0.12 * max(n.z, 0.0);
       shade = vec4(color * lit, 1.0);
     }`,
  ];
  const PLANE = [
    `#version 300 es
     in vec3 place; in vec2 corner; uniform mat4 view; out vec2 at;
     void main() { at = corner; gl_Position = view * vec4(place, 1.0); }`,
    `#version 300 es
     precision highp float; in vec2 at; uniform sampler2D grey; out vec4 shade;
     void main() { shade = vec4(texture(grey, at).rgb, 0.85); }`,
  ];

  function program([vertex, fragment]) {
    const made = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(made, shader);
    }
    gl.linkProgram(made);
    return made;
  }

  function upload(values, kind = gl.ARRAY_BUFFER) {
    const buffer = gl.createBuffer();
    gl.bindBuffer(kind, buffer);
    gl.bufferData(kind, values, gl.STATIC_DRAW);
    return buffer;
  }

  function normalsOf(points, faces) {
    const normals = new Float32Array(points.length);
    for (let at = 0; at < faces.length; at += 3) {
      const [a, b, c] = [3 * faces[at], 3 * faces[at + 1], 3 * faces[at + 2]];
      const u = [0, 1, 2].map((k) => points[b + k] - points[a + k]);
      const v = [0, 1, 2].map((k) => points[c + k] - points[a + k]);
      const n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
      for (const corner of [a, b, c]) for (let k = 0; k < 3; k++) normals[corner + k] += n[k];
    }
    return normals;
  }

  const [low, high] = data.bounds;
  const middle = low.map((one, k) => (one + high[k]) / 2);
  const radius = Math.hypot(...low.map((one, k) => high[k] - one)) / 2 || 1;
  const surfaces = [];
  let surface, plane, texture, square;

  function prepare() {
    surface = program(SURFACE);
    plane = program(PLANE);
    for (const mesh of data.meshes) {
      const coded = new Uint16Array(bytes(mesh.points).buffer);
      const faces = new Uint32Array(bytes(mesh.faces).buffer);
      const points = Float32Array.from(coded, (one, at) => {
        const k = at % 3;
        return (mesh.low[k] + (one / 65535) * (mesh.high[k] - mesh.low[k]) - middle[k]) / radius;
      });
      surfaces.push({
        structure: mesh.structure,
        color: hex(mesh.color),
        count: faces.length,
        points: upload(points),
        normals: upload(normalsOf(points, faces)),
        faces: upload(faces, gl.ELEMENT_ARRAY_BUFFER),
      });
    }
    texture = gl.createTexture();
    square = gl.createBuffer();
    gl.enable(gl.DEPTH_TEST);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
  }

  function turned() {
    const [s, c, u, v] = [Math.sin(state.turn), Math.cos(state.turn), Math.sin(state.tilt), Math.cos(state.tilt)];
    // Columns; the patient's head (third axis) is up on the screen.
    return [c, s * u, s * v, s, -c * u, -c * v, 0, v, -u];
  }

  function viewMatrix(turn) {
    const aspect = canvas.width / canvas.height;
    const scale = 0.95 * state.zoom;
    const [x, y] = aspect > 1 ? [scale / aspect, scale] : [scale, scale * aspect];
    const rows = [x, y, -0.4];
    const made = new Float32Array(16);
    for (let column = 0; column < 3; column++) {
      for (let row = 0; row < 3; row++) made[4 * column + row] = rows[row] * turn[3 * column + row];
    }
    made[15] = 1;
    return made;
  }

  function bind(using, name, buffer, size) {
    const at = gl.getAttribLocation(using, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, size, gl.FLOAT, false, 0, 0);
  }

  function drawPlane(view) {
    const image = images[state.slice];
    if (!byId("cut").checked || !image || !image.complete || !image.naturalWidth) return;
    gl.useProgram(plane);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, image);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    const corners = data.slices[state.slice].corners.map((one) => one.map((value, k) => (value - middle[k]) / radius));
    gl.bindBuffer(gl.ARRAY_BUFFER, square);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([...corners.flat(), 0, 0, 1, 0, 0, 1, 1, 1]), gl.DYNAMIC_DRAW);
    const place = gl.getAttribLocation(plane, "place");
    const corner = gl.getAttribLocation(plane, "corner");
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, 3, gl.FLOAT, false, 0, 0);
    gl.enableVertexAttribArray(corner);
    gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 48);
    gl.uniformMatrix4fv(gl.getUniformLocation(plane, "view"), false, view);
    gl.enable(gl.BLEND);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    gl.disable(gl.BLEND);
  }

  function drawMesh() {
    if (!gl) return;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0.08, 0.09, 0.1, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const turn = turned();
    const view = viewMatrix(turn);
    gl.useProgram(surface);
    gl.uniformMatrix4fv(gl.getUniformLocation(surface, "view"), false, view);
    gl.uniformMatrix3fv(gl.getUniformLocation(surface, "turn"), false, new Float32Array(turn));
    for (const one of surfaces) {
      if (state.hidden.has(one.structure)) continue;
      bind(surface, "place", one.points, 3);
      bind(surface, "normal", one.normals, 3);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, one.faces);
      gl.uniform3fv(gl.getUniformLocation(surface, "color"), one.color);
      gl.drawElements(gl.TRIANGLES, one.count, gl.UNSIGNED_INT, 0);
    }
    drawPlane(view);
    document.documentElement.dataset.turn = state.turn.toFixed(3);
  }

  function drawAll() {
    drawSlice();
    drawMesh();
  }

  function fit() {
    const [height, width] = data.size;
    const ratio = (height * data.pixel[0]) / (width * data.pixel[1]);
    const density = window.devicePixelRatio || 1;
    view.width = Math.round(view.clientWidth * density);
    view.height = Math.round(view.width * ratio);
    canvas.width = Math.round(canvas.clientWidth * density);
    canvas.height = Math.round(canvas.clientHeight * density);
    drawAll();
  }

  // --- controls ---------------------------------------------------------------------------------
  function goTo(slice) {
    state.slice = Math.min(Math.max(slice, 0), data.slices.length - 1);
    drawAll();
  }

  byId("slider").addEventListener("input", (event) => goTo(Number(event.target.value)));
  byId("cut").addEventListener("change", drawMesh);
  view.addEventListener("wheel", (event) => {
    event.preventDefault();
    goTo(state.slice + Math.sign(event.deltaY));
  }, { passive: false });
  view.addEventListener("keydown", (event) => {
    const way = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    goTo(state.slice + way);
  });
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    state.turn -= event.movementX / 120;
    state.tilt = Math.min(Math.max(state.tilt + event.movementY / 120, -1.57), 1.57);
    drawMesh();
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    state.zoom = Math.min(Math.max(state.zoom * Math.exp(-event.deltaY / 600), 0.3), 12);
    drawMesh();
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
    if (!way) return;
    event.preventDefault();
    state.turn += way[0];
    state.tilt = Math.min(Math.max(state.tilt + way[1], -1.57), 1.57);
    drawMesh();
  });
  for (const box of document.querySelectorAll("[data-reader]")) {
    box.addEventListener("change", () => {
      const place = Number(box.dataset.reader);
      if (box.checked) state.off.delete(place); else state.off.add(place);
      drawSlice();
    });
  }
  for (const box of document.querySelectorAll("[data-structure]")) {
    box.addEventListener("change", () => {
      const structure = Number(box.dataset.structure);
      if (box.checked) state.hidden.delete(structure); else state.hidden.add(structure);
      drawAll();
    });
  }
  for (const image of images) if (image) image.addEventListener("load", () => { if (image === images[state.slice]) drawAll(); });
  window.addEventListener("resize", fit);
  if (gl) prepare();
  fit();
  document.documentElement.dataset.ready = "true";
})();
