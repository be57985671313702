// Asks the page's own backend twice, by fetch and by XMLHttpRequest, and shows on
// the page that both answers are there.
const show = (id, text) => {
  document.querySelector(id).textContent = text;
  document.body.dataset.ready = String(document.querySelectorAll("output:empty").length === 0);
};

fetch("/seen").then(async (response) => show("#seen", await response.text()));

const xhr = new XMLHttpRequest();
xhr.open("POST", "/greeting");
xhr.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
xhr.onload = () => show("#greeting", xhr.responseText);
xhr.send("name=proxy");
