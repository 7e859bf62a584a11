/** An element of SVG that says which language it is, as it need not inside a page. */
const NAMED = /^\s*(<\?xml[^>]*>)?\s*<svg\b[^>]*\sxmlns=/;

/**
 * A drawing as the address of an image, so that nothing in it can ever run on this page. The node
 * draws for putting into a page; an image has to name its language, or it stays white.
 */
export function svgAddress(svg: string): string {
  const named = NAMED.test(svg)
    ? svg
    : svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
  return `data:image/svg+xml;charset=utf-8,${encodeURIComponent(named)}`;
}

/**
 * An action for pictures in a virtual list: a picture that leaves before it arrived gives its
 * connection back. Browsers go on loading a picture that was merely taken out of the document, and
 * six slow ones would hold up all that come after them.
 */
export function abandonable(picture: HTMLImageElement): { destroy(): void } {
  return {
    destroy() {
      if (!picture.complete) picture.removeAttribute("src");
    },
  };
}
