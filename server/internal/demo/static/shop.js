"use strict";

(() => {
  const body = document.body;
  const $ = (id) => document.getElementById(id);
  const show = (...ids) => ids.forEach((id) => ($(id).hidden = false));
  const hide = (...ids) => ids.forEach((id) => ($(id).hidden = true));

  // fetchJSON resolves with the answer, and rejects with what the backend said. The error holds the response, as
  // those of HTTP clients do, so that an agent can tell which request failed.
  async function fetchJSON(url, data) {
    const init = data && {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(data),
    };
    const response = await fetch(url, init);
    const answer = await response.json();
    if (!response.ok) throw Object.assign(new Error(answer.error), { response });
    return answer;
  }

  // The theme: the system's, until the button chose one.
  const root = document.documentElement;
  const chosen = localStorage.getItem("theme");
  if (chosen) root.dataset.theme = chosen;
  $("theme").addEventListener("click", () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
  });

  // The cart lives in the tab; the backend prices it.
  const items = JSON.parse(sessionStorage.getItem("cart") || "[]");
  let total = 0;

  function keepItems() {
    sessionStorage.setItem("cart", JSON.stringify(items));
    $("cart-count").textContent = items.reduce((n, item) => n + item.quantity, 0);
  }

  function problem(err) {
    $("cart-problem").textContent = `That did not work: ${err.message}.`;
    show("cart-problem");
  }

  async function openCart() {
    hide("cart-problem", "voucher", "checkout", "methods", "receipt", "cart-total", "offer");
    show("offer-button");
    $("cart").dataset.state = "open";
    $("cart").showModal();
    $("cart-empty").hidden = items.length > 0;
    if (items.length === 0) return;
    try {
      const cart = await fetchJSON("/api/cart", { items });
      $("cart-lines").replaceChildren(
        ...cart.lines.map((line) => {
          const li = document.createElement("li");
          for (const text of [line.name, `× ${line.quantity}`, line.total]) {
            li.append(Object.assign(document.createElement("span"), { textContent: text }));
          }
          return li;
        }),
      );
      total = cart.total_cents;
      $("cart-total").querySelector("strong").textContent = cart.total;
      show("cart-total", "voucher", "checkout");
      $("cart").dataset.state = "priced";
    } catch (err) {
      problem(err);
    }
  }

  $("open-cart").addEventListener("click", openCart);

  // Vouchers fail on purpose. The page says so, and then nobody catches the error.
  $("redeem").addEventListener("click", async () => {
    try {
      await fetchJSON("/api/voucher", { code: $("voucher-code").value });
    } catch (err) {
      problem(err);
      throw err;
    }
  });

  $("checkout").addEventListener("click", async () => {
    try {
      const { methods } = await fetchJSON(`${body.dataset.payments}/methods`);
      $("method-list").replaceChildren(
        ...methods.map((method, i) => {
          const label = document.createElement("label");
          const input = Object.assign(document.createElement("input"), {
            type: "radio",
            name: "method",
            value: method.id,
            checked: i === 0,
          });
          label.append(input, method.label);
          return label;
        }),
      );
      hide("cart-problem", "voucher", "checkout");
      show("methods");
    } catch (err) {
      problem(err);
    }
  });

  $("pay").addEventListener("click", async () => {
    try {
      const paid = await fetchJSON(`${body.dataset.payments}/pay`, {
        amount_cents: total,
        method: $("method-list").querySelector(":checked").value,
      });
      $("receipt-number").textContent = paid.receipt;
      $("receipt-amount").textContent = paid.amount;
      items.length = 0;
      keepItems();
      hide("methods");
      show("receipt");
    } catch (err) {
      problem(err);
    }
  });

  $("offer-button").addEventListener("click", async () => {
    try {
      const seen = await fetchJSON(`${body.dataset.partner}/offer`);
      const offer = $("offer");
      offer.dataset.traceparent = seen.traceparent ?? "";
      offer.textContent =
        "10% off your first frame. The partner is off the agent’s allow list and got " +
        (seen.traceparent ? "a trace context all the same!" : "no trace context.");
      hide("offer-button");
      show("offer");
    } catch (err) {
      problem(err);
    }
  });

  // A cart that was paid for shows no old lines when it is opened again.
  $("cart").addEventListener("close", () => $("cart-lines").replaceChildren());

  // The categories are views of the home page: each has a path, and the History API takes people there and back.
  async function home() {
    const { products } = await fetchJSON("/api/products");
    const everything = $("chips").querySelector(".chip");
    const title = "Bobbin, yarn and thread";
    for (const category of new Set(products.map((p) => p.category))) {
      const chip = everything.cloneNode();
      chip.textContent = chip.dataset.category = category;
      chip.href = `/category/${category.toLowerCase()}`;
      $("chips").append(chip);
    }
    $("chips").removeAttribute("aria-busy");
    const here = () => [...$("chips").children].find((chip) => chip.pathname === location.pathname);
    const mark = (current) => {
      for (const chip of $("chips").children) {
        if (chip === current) chip.setAttribute("aria-current", "page");
        else chip.removeAttribute("aria-current");
      }
      body.dataset.category = current.dataset.category;
    };

    async function showView() {
      const chip = here();
      const { category } = chip.dataset;
      document.title = category ? `${category} · Bobbin` : title;
      const list = category ? await fetchJSON(`/api/products?category=${encodeURIComponent(category)}`) : { products };
      if (chip !== here()) return; // somebody was faster
      const shown = new Set(list.products.map((p) => p.id));
      for (const card of $("products").children) card.hidden = !shown.has(card.dataset.id);
      mark(chip);
    }

    mark(here());
    addEventListener("popstate", showView);
    $("chips").addEventListener("click", (event) => {
      const chip = event.target.closest(".chip");
      if (!chip || event.ctrlKey || event.metaKey || event.shiftKey) return; // into another tab
      event.preventDefault();
      if (chip === here()) return;
      history.pushState(null, "", chip.href);
      showView();
    });
  }

  // The stock comes by XMLHttpRequest, as in shops of a certain age.
  function loadStock(id) {
    return new Promise((resolve) => {
      const stock = $("stock");
      const request = new XMLHttpRequest();
      request.open("GET", `/api/stock?id=${encodeURIComponent(id)}`);
      request.responseType = "json";
      request.onloadend = () => {
        const ok = request.status === 200;
        stock.textContent = ok
          ? `${request.response.quantity} in stock at our ${request.response.place}`
          : "The stock is not known right now";
        stock.dataset.state = ok ? "known" : "failed";
        resolve();
      };
      request.send();
    });
  }

  function product() {
    const id = $("product").dataset.id;
    $("add").addEventListener("click", () => {
      const item = items.find((i) => i.id === id);
      if (item) item.quantity = Math.min(item.quantity + 1, 99);
      else items.push({ id, quantity: 1 });
      keepItems();
      openCart();
    });
    return loadStock(id);
  }

  keepItems();
  const loaded = new Promise((resolve) => addEventListener("load", resolve, { once: true }));
  const pages = { home, product };
  Promise.all([loaded, pages[body.dataset.page]?.()]).then(() => (body.dataset.ready = "true"));
})();
