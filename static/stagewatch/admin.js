// What the admin's theme leaves out for those who do not see it: where a page's own part begins, and which scrolled part is which.
addEventListener("load", () => {
  document.getElementById("main")?.setAttribute("role", "main");
  for (const part of document.querySelectorAll(".simplebar-content-wrapper"))
    part.setAttribute("aria-label", part.closest("#nav-sidebar, nav, aside") ? "Menu, scrolls" : "Content, scrolls");
});
