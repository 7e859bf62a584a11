import { expect, test } from "vitest";

import { isPlain, PLAIN, rightsWords, SCOPES } from "../src/api/members.ts";

const member = (scopes: readonly string[], revoked = false) => ({
  scopes: [...scopes],
  admin: !revoked && scopes.includes("members.admin"),
  revoked,
});

test("rights are told in a word where there is one", () => {
  expect(rightsWords(member(PLAIN))).toBe("member");
  expect(rightsWords(member([...PLAIN, "members.admin"]))).toBe("admin");
  expect(rightsWords(member(PLAIN.filter((scope) => scope !== "catalog.unseal")))).toBe(
    "member without the library key",
  );
  expect(rightsWords(member(["catalog.read"]))).toBe("see the catalog");
  expect(rightsWords(member([...PLAIN, "members.admin"], true))).toBe("revoked");
});

test("who is invited without more words administers nothing", () => {
  expect(PLAIN).not.toContain("members.admin");
  expect(PLAIN).toHaveLength(SCOPES.length - 1);
  expect(isPlain([...PLAIN].reverse())).toBe(true);
  expect(isPlain(PLAIN.slice(1))).toBe(false);
  expect(isPlain([...PLAIN, "members.admin"])).toBe(false);
});
