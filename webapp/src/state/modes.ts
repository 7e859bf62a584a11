/** The mode of a node: nobody switches it, and it says what happens to new photos. Pure. */

/** When a node has it, then what it does. */
export interface ModeWords {
  why: string;
  does: string;
}

const MODES: Record<string, ModeWords> = {
  home: {
    why: "A central node is on this network.",
    does: "New photos are copied there within seconds.",
  },
  roaming: {
    why: "No central node is on this network, or the network is metered.",
    does: "New photos wait here and go to whichever node is met. On a slow link previews come first; on a metered one originals wait.",
  },
  sync: {
    why: "Files or changes are moving right now.",
    does: "It is home or roaming again when they are through.",
  },
  archive: {
    why: "Its role is archive.",
    does: "It keeps everything, verifies it on a schedule and repairs it from the other nodes.",
  },
};

/** `role` is that of the same node: a central one is at home wherever it is. */
export function modeWords(mode: string, role: string): ModeWords {
  if (mode === "home" && role === "central") {
    return {
      why: "This is a central node.",
      does: "It takes every new photo as soon as a node that has it is there.",
    };
  }
  return MODES[mode] ?? { why: "This page is older than the node.", does: "" };
}
