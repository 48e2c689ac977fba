/** What the server writes of an element's children; tools of charts are the script's own. */
function childrenOf(element: Element): ChildNode[] {
  return [...element.childNodes].filter(child => !(child instanceof Element && child.matches('.tools')));
}

function isChart(element: Element): element is HTMLElement {
  return element instanceof HTMLElement && element.matches('.chart');
}

/** Makes an element what it is in a newer page. What is the same stays as it is: opened, scrolled, zoomed into. */
function merge(old: Element, next: Element): void {
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (isChart(old)) return;
  const [before, after] = [childrenOf(old), childrenOf(next)];
  const same = (a: ChildNode, b: ChildNode | undefined) => {
    if (!(a instanceof Element && b instanceof Element)) return a.nodeType === b?.nodeType;
    const kind = (one: Element) => [one.tagName, one.className, isChart(one) ? one.dataset['chart'] : ''].join(' ');
    return kind(a) === kind(b);
  };
  if (before.length !== after.length || !before.every((child, i) => same(child, after[i]))) {
    old.replaceChildren(...next.childNodes);
    return;
  }
  for (const [i, child] of before.entries()) {
    const other = after[i];
    if (child instanceof Element && other instanceof Element) merge(child, other);
    else if (child.textContent !== other?.textContent) child.textContent = other?.textContent ?? '';
  }
}

/** Shows a newer page in place of this one. */
function take(text: string): void {
  const next = new DOMParser().parseFromString(text, 'text/html');
  document.title = next.title;
  for (const id of ['live', 'shown', 'data']) {
    const [old, other] = [document.getElementById(id), next.getElementById(id)];
    if (old && other) merge(old, other);
    else old?.remove();
  }
  drawAll();
}

function ended(why: string): void {
  const live = document.getElementById('live');
  if (!live) return;
  live.textContent = why;
  live.setAttribute('role', 'status');
}

/** Shows what is new, as long as the command is there: it says when there is something, and what. */
function follow(): void {
  const source = new EventSource('events');
  let again = false;
  let asking: Promise<void> | undefined;
  const ask = async (): Promise<void> => {
    do {
      again = false;
      const response = await fetch(location.pathname, { cache: 'no-store' });
      if (!response.ok) throw new Error(await response.text());
      take(await response.text());
    } while (again);
  };
  const refresh = (): Promise<void> => {
    again = true;
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };
  source.addEventListener('changed', () => void refresh().catch(() => {}));
  source.addEventListener('end', () => {
    refresh()
      .catch((error: Error) => ended(`The command has ended. ${error.message}`))
      .finally(() => source.close());
  });
  source.onerror = () => {
    source.close();
    ended('The command has stopped, or does not answer any more. What is shown is the last that it told.');
  };
}
