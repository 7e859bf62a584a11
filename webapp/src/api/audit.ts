/** The audit log: types of the REST interface. */

/** One act that matters for security, or for the safety of photos. */
export interface AuditEntry {
  n: number;
  at: string;
  /** A dotted name, as "photos.trashed". */
  act: string;
  facts: Record<string, string>;
  chain: string;
}

export interface AuditPage {
  items: AuditEntry[];
  next: string | null;
}

/** Whether nothing in the log was changed, and nothing of it is missing. */
export interface AuditVerdict {
  sound: boolean;
  problem: string | null;
  entries: number;
  first: number;
  last: number;
  signed_to: number;
  torn: number;
  node: string;
}
