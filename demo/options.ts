/** Daemon options of the story's peers: a tiny circle on one machine, in which a dead host is noticed at once. */
export const STORY_OPTIONS = ["-hostaway=2", "-hostdead=4", "-auditepoch=20"];
