// Before anything is drawn: the theme a person chose. Without a choice the page follows the system.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted"); // what only scripts can open may start closed
  const words = { "": "Auto", light: "Light", dark: "Dark" };
  const chosen = () => {
    try {
      return localStorage.getItem("theme") ?? "";
    } catch {
      return ""; // storage is off: the choice lasts for this page
    }
  };
  let theme = chosen();
  const apply = () => {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  apply();
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (!button) return;
    const show = () => (button.lastElementChild.textContent = words[theme] ?? "Auto");
    button.hidden = false;
    show();
    button.addEventListener("click", () => {
      theme = { "": "light", light: "dark", dark: "" }[theme] ?? "";
      try {
        localStorage.setItem("theme", theme);
      } catch { /* as above */ }
      apply();
      show();
    });
  });
})();
