/** Where and when a report is written. */
export interface ReportPlace {
  /** Absolute path of the folder that the report stands in: links to clips start there. */
  readonly folder: string;
  /** Time of writing, ms since the epoch. */
  readonly nowMs: number;
}
