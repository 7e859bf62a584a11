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
