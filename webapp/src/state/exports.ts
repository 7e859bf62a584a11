/** What is said of photos as files, and of who may mount them. Pure. */

import type { Exporter, Tree } from "../api/storage.ts";
import type { Act, Problem } from "../api/types.ts";
import { count, counted } from "../format.ts";

export function treeWords(tree: Tree): string {
  switch (tree.state) {
    case "starting":
      return "It is being looked at; photos in it can be opened meanwhile.";
    case "building":
      return `It is being made: ${count(tree.left)} to look at yet.`;
    case "failed":
      return "It could not be made. What is wrong is told below.";
    default:
      return "Ready: every photo that is on this node is a file in it.";
  }
}

export function exporterWords(nfs: Exporter): string {
  switch (nfs.state) {
    case "starting":
      return "NFS is starting.";
    case "waiting":
      return "The NFS server ended, and is started again by itself.";
    case "failed":
      return "NFS does not answer. What is wrong is told below.";
    default:
      return nfs.rules.length === 0
        ? "NFS is ready, but nobody may mount it: allow a machine or a network."
        : "NFS is ready to be mounted.";
  }
}

/** A rule as a person reads it: which machine or network, and what it may do. */
export interface RuleWords {
  text: string;
  client: string;
  may: string;
}

export function ruleWords(text: string): RuleWords {
  const [client = "", access = "", , role] = text.split(/\s+/);
  const who = client.includes("/") ? `the network ${client}` : client;
  const may = access === "rw" ? "reads photos and writes sidecars" : "reads only";
  return { text, client: who, may: role ? `${may}, while this node is ${role}` : may };
}

/** The rules with one more; what was said of the same client before goes. */
export function withRule(rules: readonly string[], client: string, access: "ro" | "rw"): string[] {
  const name = client.trim();
  return [...rules.filter((rule) => rule.split(/\s+/)[0] !== name), `${name} ${access}`];
}

const LOOPBACK = /^(127\.|::1$|localhost$)/;
const ANY = /^(0\.0\.0\.0|::|\[::\]|)$/;
const NFS_PORT = "2049";

/**
 * What mounts the tree on another machine. `reached`: where this machine is, as far as is known:
 * the page's own host and the addresses that the node listens at.
 */
export function mountCommand(nfs: Exporter, reached: readonly string[]): string {
  const found = /^(.*):(\d+)(\/.*)$/.exec(nfs.address);
  const path = found ? found[3]! : nfs.address;
  const listens = (found?.[1] ?? "").replace(/^\[(.*)\]$/, "$1");
  const known = reached.find((host) => !LOOPBACK.test(host) && !ANY.test(host));
  const host = ANY.test(listens) ? (known ?? "THIS-MACHINE") : listens;
  const port = found && found[2] !== NFS_PORT ? `,port=${found[2]}` : "";
  const place = host.includes(":") ? `[${host}]` : host;
  return `sudo mount -t nfs4 -o vers=4.2${port} ${place}:${path} /mnt/photos`;
}

/** Whether only programs of this machine reach it. */
export function isLocal(nfs: Exporter): boolean {
  return LOOPBACK.test(nfs.address.replace(/:\d+\/.*$/, ""));
}

/** The hosts of multiaddresses. */
export function hostsOf(addresses: readonly string[]): string[] {
  return addresses.flatMap((address) => /^\/ip[46]\/([^/]+)\//.exec(address)?.[1] ?? []);
}

/** Those of the node's problems that are about the tree, its sidecars or the export. */
export function treeProblems(problems: readonly Problem[], tree: Tree | null): Problem[] {
  const folder = tree ? `${tree.folder}/` : null;
  return problems.filter(
    ({ code, path }) =>
      /^(tree|nfs)\./.test(code) ||
      (folder !== null && path !== null && `${path}/`.startsWith(folder)),
  );
}

/** The field in which a sidecar stands that somebody wrote in the tree. */
const WRITTEN = "sidecar/darktable";

/** Acts that came out of sidecars that were written in a tree, on whichever node. */
export function writeBacks(acts: readonly Act[]): Act[] {
  return acts.filter(({ fields }) => fields.includes(WRITTEN));
}

/** What a sidecar changed besides itself. */
export function changedWords(act: Act): string {
  const others = act.fields.filter((field) => !field.startsWith("sidecar/"));
  return others.length === 0 ? "darktable’s own steps" : others.join(", ");
}

export function countsWords(tree: Tree): string {
  return `${counted(tree.originals, "photo")} and ${counted(tree.sidecars, "sidecar")}`;
}
