// Steps through the gallery by image and by method. Without this script all images stand one below
// the other, each with all its pictures side by side.
(() => {
  "use strict";
  const viewer = document.getElementById("viewer");
  if (!viewer) return;
  const images = [...viewer.querySelectorAll("figure.image")];
  const chooser = document.getElementById("choose-image");
  const methods = [...viewer.querySelectorAll("input[name=method]")];
  const every = methods[0];
  const status = document.getElementById("gallery-status");
  let current = 0;

  const chosen = () => methods.find((method) => method.checked) || every;

  function show() {
    const method = chosen().value;
    images.forEach((image, number) => {
      image.hidden = number !== current;
      let shown = 0;
      for (const panel of image.querySelectorAll(".panel")) {
        panel.hidden = method !== "every" && panel.dataset.method !== method;
        shown += panel.hidden ? 0 : 1;
      }
      image.querySelector(".lacking").hidden = shown > 0;
    });
    viewer.classList.toggle("single", method !== "every");
    chooser.value = String(current);
    const label = chosen().closest("label").textContent.trim();
    status.textContent =
      `Image ${current + 1} of ${images.length}: ${images[current].dataset.name}; ${label}`;
  }

  function stepImage(by) {
    current = (current + by + images.length) % images.length;
    show();
  }

  function stepMethod(by) {
    const place = methods.indexOf(chosen());
    methods[(place + by + methods.length) % methods.length].checked = true;
    show();
  }

  const keys = {
    ArrowLeft: () => stepImage(-1),
    ArrowRight: () => stepImage(1),
    ArrowUp: () => stepMethod(-1),
    ArrowDown: () => stepMethod(1),
  };
  viewer.addEventListener("keydown", (event) => {
    const step = keys[event.key];
    // Lists and radio buttons have a use of their own for arrows.
    const native = event.target.matches("select, input");
    if (!step || native || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    step();
  });
  document.getElementById("previous-image").addEventListener("click", () => stepImage(-1));
  document.getElementById("next-image").addEventListener("click", () => stepImage(1));
  chooser.addEventListener("change", () => {
    current = Number(chooser.value);
    show();
  });
  methods.forEach((method) => method.addEventListener("change", show));
  viewer.querySelector(".controls").hidden = false;
  every.checked = true;
  show();
})();
