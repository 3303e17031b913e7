/** A short, soft sound for a message that comes while one looks elsewhere; made here, not loaded. */

/** Two notes a fifth apart: frequency in Hz and start in seconds. */
const NOTES = [
  { frequency: 587.33, start: 0 },
  { frequency: 880, start: 0.09 },
]
const LENGTH_S = 0.35
const LOUDNESS = 0.12

let context: AudioContext | null = null

/** Browsers allow sound only after a key or a click: call this at the first one. */
export function unlockSound(): void {
  if (!('AudioContext' in window)) return
  context ??= new AudioContext()
  if (context.state === 'suspended') context.resume().catch(() => undefined)
}

/** Plays it; stays silent where the browser does not allow sound yet. */
export function chime(): void {
  if (context?.state !== 'running') return
  for (const { frequency, start } of NOTES) {
    const from = context.currentTime + start
    const tone = context.createOscillator()
    const volume = context.createGain()
    tone.type = 'sine'
    tone.frequency.value = frequency
    volume.gain.setValueAtTime(0, from)
    volume.gain.linearRampToValueAtTime(LOUDNESS, from + 0.015)
    volume.gain.exponentialRampToValueAtTime(0.0001, from + LENGTH_S)
    tone.connect(volume).connect(context.destination)
    tone.start(from)
    tone.stop(from + LENGTH_S)
  }
}
