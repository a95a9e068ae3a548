/** Durations and shares as people read them. */

/** 75 as 1:15, 3700 as 1:01:40. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** 0.9215 as 92.15 %. */
export const formatPercent = (share: number): string => `${(share * 100).toFixed(2)} %`;
