// <connect-link>: a connect link's page, embedded. See package connectlinksweb of connectlinks-go.
(() => {
  "use strict";
  if (!window.customElements || customElements.get("connect-link")) return;

  const STYLE = `
    :host { display: block; position: relative; block-size: var(--connect-link-height, 40rem); }
    :host([hidden]) { display: none; }
    iframe { display: block; inline-size: 100%; block-size: 100%; border: 0; }
    iframe.waiting { position: absolute; inset: 0; visibility: hidden; }
    .status { position: absolute; inset: 0; display: grid; place-content: center; justify-items: center; gap: 1em; padding: 1em; text-align: center; }
    .status:empty { display: none; }
    .status:focus { outline: none; }
  `;
  const TEXTS = {
    loading: "Loading\u2026",
    error: "The page did not load here.",
    done: "Finished.",
  };
  const OPEN = "Open it in a new window";

  // Returns the URL to load in the frame, or null if src is not an http or https URL.
  const parse = (src) => {
    try {
      const url = new URL(src);
      return url.protocol === "https:" || url.protocol === "http:" ? url : null;
    } catch {
      return null;
    }
  };

  class ConnectLink extends HTMLElement {
    static observedAttributes = ["src", "title"];

    #status;
    #frame = null;
    #origin = "";
    #timer = 0;
    #connected = false; // attributes change before the element is connected
    #onMessage = (event) => this.#receive(event);

    constructor() {
      super();
      const root = this.attachShadow({ mode: "open" });
      // style-src does not apply to a style sheet that a script makes.
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
      this.#status = document.createElement("div");
      this.#status.className = "status";
      this.#status.setAttribute("part", "status");
      this.#status.setAttribute("role", "status");
      this.#status.tabIndex = -1;
      root.append(this.#status);
    }

    connectedCallback() {
      if (Object.hasOwn(this, "src")) {
        // src was set before the element was defined.
        const src = this.src;
        delete this.src;
        this.src = src;
      }
      this.#connected = true;
      this.#start();
    }

    disconnectedCallback() {
      this.#connected = false;
      this.#stop();
    }

    attributeChangedCallback(name, before, now) {
      if (!this.#connected || before === now) return;
      if (name === "src") this.#start();
      if (name === "title" && this.#frame) this.#frame.title = now || "";
    }

    get src() {
      return this.getAttribute("src") || "";
    }

    set src(value) {
      this.setAttribute("src", value);
    }

    focus(options) {
      const shown = this.#frame && !this.#frame.classList.contains("waiting");
      (shown ? this.#frame : this.#status).focus(options);
    }

    #start() {
      this.#stop();
      if (!this.hasAttribute("src")) return; // it will be set later
      const url = parse(this.src);
      if (!url) return this.#fail("src");
      this.#origin = url.origin;
      window.addEventListener("message", this.#onMessage);
      this.setAttribute("aria-busy", "true");
      this.#say("loading");

      const frame = document.createElement("iframe");
      frame.className = "waiting";
      frame.setAttribute("part", "frame");
      frame.title = this.getAttribute("title") || "Connect";
      frame.allow = "clipboard-read; clipboard-write";
      frame.src = url.href;
      this.#frame = frame;
      this.shadowRoot.prepend(frame);

      const seconds = Number(this.getAttribute("timeout"));
      this.#timer = setTimeout(() => this.#fail("timeout"), (seconds > 0 ? seconds : 20) * 1000);
    }

    // Removes listener, timer and frame.
    #stop() {
      window.removeEventListener("message", this.#onMessage);
      clearTimeout(this.#timer);
      this.#frame?.remove();
      this.#frame = null;
      this.#origin = "";
      this.removeAttribute("aria-busy");
      this.#status.replaceChildren();
    }

    #receive(event) {
      if (!this.#frame || event.source !== this.#frame.contentWindow || event.origin !== this.#origin) return;
      const { message, data } = event.data !== null && typeof event.data === "object" ? event.data : {};
      if (message === "LOADED") this.#loaded();
      if (message === "EXITED_CONNECT_FLOW") this.#exited(data);
    }

    #loaded() {
      if (!this.#frame.classList.contains("waiting")) return;
      clearTimeout(this.#timer);
      const focused = this.#focused();
      this.#frame.classList.remove("waiting");
      this.removeAttribute("aria-busy");
      this.#status.replaceChildren();
      if (focused || this.hasAttribute("autofocus")) this.#frame.focus();
      this.#raise("loaded", {});
    }

    #exited(data) {
      const { status, details } = data !== null && typeof data === "object" ? data : {};
      const { id, name } = details !== null && typeof details === "object" ? details : {};
      const focused = this.#focused();
      this.#stop();
      this.#say("done");
      // Otherwise the browser moves the focus to the top of the page.
      if (focused) this.#status.focus();
      if (status === "created") {
        this.#raise("created", {
          id: Number.isSafeInteger(id) || typeof id === "string" ? id : undefined,
          name: typeof name === "string" ? name : "",
        });
      } else {
        this.#raise("exited", { status: typeof status === "string" ? status : "" });
      }
    }

    #fail(reason) {
      this.removeAttribute("aria-busy");
      this.#say("error");
      if (reason === "timeout") {
        const link = document.createElement("a");
        link.setAttribute("part", "link");
        link.href = this.src;
        link.target = "_blank";
        link.rel = "noopener noreferrer";
        link.textContent = OPEN;
        this.#status.append(link);
      }
      this.#raise("error", { reason });
    }

    // Reports whether the focus is on this element or in its frame.
    #focused() {
      return this.shadowRoot.activeElement !== null;
    }

    #say(what) {
      const slot = document.createElement("slot");
      slot.name = what;
      slot.textContent = TEXTS[what];
      this.#status.replaceChildren(slot);
    }

    #raise(name, detail) {
      this.dispatchEvent(new CustomEvent("connectlink:" + name, { bubbles: true, composed: true, detail }));
    }
  }

  customElements.define("connect-link", ConnectLink);
})();
