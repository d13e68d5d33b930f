/** Frame rate of every clip; also the length of the loop of motion, which lasts one second. */
export const FRAMES_PER_SECOND = 24;
