/** What is worn above: T-shirts, a pullover, a shirt, a coat, dresses; seen from the front, lying flat. */
import { type Drawing, line, ribs } from './cloth.ts';

const SEAM = 'rgba(0,0,0,.45)';
const STITCH = 'rgba(255,255,255,.5)';

const T_SHIRT =
  'M108 36 L72 48 Q62 52 54 64 L16 122 L58 150 L84 120 Q88 200 82 292 Q150 302 218 292 Q212 200 216 120 L242 150 L284 122 L246 64 Q238 52 228 48 L192 36 Q150 74 108 36Z';

const T_SHIRT_SEAMS =
  line('M22 118 L62 146', SEAM, 1.5, '4 2') +
  line('M278 118 L238 146', SEAM, 1.5, '4 2') +
  line('M82 284 Q150 294 218 284', SEAM, 1.5, '4 2') +
  line('M76 48 Q88 84 84 122', SEAM) +
  line('M224 48 Q212 84 216 122', SEAM);

const LONG_SLEEVES =
  'M112 34 Q150 54 188 34 L226 48 Q246 58 254 100 L276 262 L242 270 L221 132 Q222 210 226 288 Q150 298 74 288 Q78 210 79 132 L58 270 L24 262 L46 100 Q54 58 74 48Z';

export const TOPS: readonly Drawing[] = [
  {
    file: 't-shirt-red.jpg',
    label: 'T-shirt/top',
    width: 300,
    height: 320,
    scale: 1,
    ground: { kind: 'even', color: '#ffffff' },
    parts: [
      {
        shape: T_SHIRT,
        fill: '#c0292f',
        detail: `${T_SHIRT_SEAMS}<path d="M108 36 Q150 74 192 36 Q150 60 108 36Z" fill="#6d1519"/>${line('M106 38 Q150 80 194 38', '#9c2026', 7)}`,
      },
    ],
  },
  {
    file: 't-shirt-white-on-dark.jpg',
    label: 'T-shirt/top',
    width: 300,
    height: 320,
    scale: 0.7,
    ground: { kind: 'rough', color: '#23262b' },
    parts: [
      {
        shape: T_SHIRT,
        fill: '#f2f0ea',
        wrinkles: 0.35,
        detail:
          T_SHIRT_SEAMS +
          line('M106 38 Q150 80 194 38', '#d6d3cb', 7) +
          '<circle cx="150" cy="160" r="34" fill="#3b6ea5"/><path d="M132 176 L150 132 L168 176Z" fill="#f2c14e"/>',
      },
    ],
  },
  {
    file: 'pullover-green.jpg',
    label: 'Pullover',
    width: 300,
    height: 320,
    scale: 1.1,
    ground: { kind: 'lit', from: '#fbfbf9', to: '#e9e8e4' },
    parts: [
      {
        shape: LONG_SLEEVES,
        fill: 'url(#knit-green)',
        grain: 0.4,
        waves: '0.016 0.01',
        detail:
          line('M79 132 Q72 84 82 48', SEAM) +
          line('M221 132 Q228 84 218 48', SEAM) +
          ribs(70, 268, 160, 30, 5, 'rgba(0,0,0,.3)') +
          ribs(20, 240, 46, 34, 5, 'rgba(0,0,0,.3)') +
          ribs(236, 240, 46, 34, 5, 'rgba(0,0,0,.3)') +
          line('M110 34 Q150 62 190 34', '#274a32', 12) +
          ribs(108, 30, 84, 26, 5, 'rgba(0,0,0,.25)'),
      },
    ],
  },
  {
    file: 'pullover-striped.png',
    label: 'Pullover',
    width: 300,
    height: 320,
    scale: 0.75,
    ground: { kind: 'transparent' },
    parts: [
      {
        shape: LONG_SLEEVES,
        fill: 'url(#stripes-navy)',
        grain: 0.2,
        detail:
          line('M79 132 Q72 84 82 48', SEAM) +
          line('M221 132 Q228 84 218 48', SEAM) +
          line('M110 34 Q150 60 190 34', '#1c2b4a', 9),
      },
    ],
  },
  {
    file: 'shirt-check.jpg',
    label: 'Shirt',
    width: 300,
    height: 320,
    scale: 1.15,
    ground: { kind: 'even', color: '#f7f7f5' },
    parts: [
      {
        shape: LONG_SLEEVES,
        fill: 'url(#check-blue)',
        grain: 0.12,
        waves: '0.024 0.01',
        detail:
          line('M79 132 Q72 84 82 48', SEAM) +
          line('M221 132 Q228 84 218 48', SEAM) +
          line('M150 48 V296', 'rgba(0,0,0,.5)', 1.5) +
          line('M158 52 V296', 'rgba(0,0,0,.3)', 1) +
          '<path d="M174 112 h32 v34 l-16 9 l-16 -9z" fill="rgba(20,40,90,.16)" stroke="rgba(0,0,0,.5)" stroke-width="1.5"/>' +
          line('M24 246 L60 254', SEAM, 2) +
          line('M276 246 L240 254', SEAM, 2) +
          [78, 112, 146, 180, 214, 248, 276]
            .map(y => `<circle cx="154" cy="${y}" r="3" fill="#f4f1e6" stroke="#222" stroke-width=".8"/>`)
            .join(''),
        over:
          '<path d="M112 32 L150 52 L130 86 L100 44Z" fill="#aebfdd" stroke="#333" stroke-width="1.2"/>' +
          '<path d="M188 32 L150 52 L172 86 L200 44Z" fill="#a3b4d4" stroke="#333" stroke-width="1.2"/>',
      },
    ],
  },
  {
    file: 'coat-camel.jpg',
    label: 'Coat',
    width: 300,
    height: 350,
    scale: 1.1,
    ground: { kind: 'lit', from: '#c9ccd0', to: '#a9adb3' },
    parts: [
      {
        shape:
          'M114 30 L186 30 L228 46 Q248 56 256 100 L276 276 L242 282 L224 146 Q226 240 234 332 Q192 338 152 334 L148 334 Q108 338 66 332 Q74 240 76 146 L58 282 L24 276 L44 100 Q52 56 72 46Z',
        fill: '#b58a57',
        grain: 0.45,
        waves: '0.02 0.006',
        detail:
          line('M76 146 Q70 90 82 46', SEAM) +
          line('M224 146 Q230 90 218 46', SEAM) +
          line('M162 140 V336', 'rgba(0,0,0,.6)', 2.5) +
          line('M84 222 L128 214', 'rgba(0,0,0,.55)', 3) +
          line('M216 222 L182 214', 'rgba(0,0,0,.55)', 3) +
          line('M26 252 L60 258', SEAM, 2) +
          line('M274 252 L240 258', SEAM, 2) +
          [158, 196, 234, 272].map(y => `<circle cx="148" cy="${y}" r="5" fill="#3c2a18" stroke="#1d140b"/>`).join(''),
        over:
          '<path d="M118 28 Q150 40 182 28 L158 142Z" fill="#4a3520"/>' +
          '<path d="M116 28 L160 142 L126 112 L112 96 L122 86 L102 60Z" fill="#c79a65" stroke="#4b3518" stroke-width="1.6"/>' +
          '<path d="M184 28 L160 142 L188 112 L200 96 L190 86 L204 58Z" fill="#a97e4c" stroke="#4b3518" stroke-width="1.6"/>',
      },
    ],
  },
  {
    file: 'dress-floral.jpg',
    label: 'Dress',
    width: 260,
    height: 360,
    scale: 1.05,
    ground: { kind: 'even', color: '#fdf8f2' },
    parts: [
      {
        shape:
          'M80 20 L94 20 Q98 62 130 64 Q162 62 166 20 L180 20 Q178 66 190 92 Q178 126 174 150 Q200 240 226 328 Q130 350 34 328 Q60 240 86 150 Q82 126 70 92 Q82 66 80 20Z',
        fill: 'url(#flowers)',
        grain: 0.12,
        waves: '0.028 0.004',
        detail:
          line('M86 150 Q130 160 174 150', SEAM, 3) +
          [60, 92, 120, 144, 172, 202]
            .map(x => line(`M${130 + (x - 130) * 0.42} 156 Q${x} 240 ${x - 2} 336`, 'rgba(0,0,0,.16)', 5))
            .join(''),
      },
    ],
  },
  {
    file: 'dress-black.jpg',
    label: 'Dress',
    width: 260,
    height: 370,
    scale: 0.65,
    ground: { kind: 'even', color: '#ffffff' },
    parts: [
      {
        shape:
          'M96 28 Q130 48 164 28 L190 40 L208 98 L184 106 L178 90 Q172 126 172 152 Q188 250 196 346 Q130 354 64 346 Q72 250 88 152 Q88 126 82 90 L76 106 L52 98 L70 40Z',
        fill: '#2a2a31',
        wrinkles: 0.6,
        detail:
          line('M92 150 Q130 158 168 150', STITCH, 1.5) +
          line('M94 30 Q130 54 166 30', '#111', 5) +
          '<rect x="84" y="146" width="92" height="11" fill="#7a1f2b"/>',
      },
    ],
  },
];
