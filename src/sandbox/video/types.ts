export interface VideoSpec {
  widthPx: number;
  heightPx: number;
  durationSeconds: number;
  hasAudio: boolean;
  prompt: string;
  ratio: string;
  quality: string;
  operation: string;
  model: string;
  taskId: string;
  sources?: readonly { label: string }[];
}

export type VideoMaker = (spec: VideoSpec) => Promise<Uint8Array>;
