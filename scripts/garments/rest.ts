/** Trousers and what is carried: seen from the front; shoes from the side, their toes to the left as in the data set. */
import { type Drawing, line, strap } from './cloth.ts';

const SEAM = 'rgba(0,0,0,.45)';

const TROUSERS = 'M80 18 L180 18 Q190 62 193 104 L208 330 L148 334 L131 122 L112 334 L52 330 L67 104 Q70 62 80 18Z';

export const REST: readonly Drawing[] = [
  {
    file: 'trouser-jeans.jpg',
    label: 'Trouser',
    width: 260,
    height: 352,
    scale: 1,
    ground: { kind: 'even', color: '#f1f1ef' },
    parts: [
      {
        shape: TROUSERS,
        fill: '#3f5f8c',
        grain: 0.5,
        waves: '0.03 0.006',
        detail:
          '<ellipse cx="92" cy="190" rx="20" ry="76" fill="#9db4d3" opacity=".5" filter="url(#shadow)"/><ellipse cx="170" cy="190" rx="20" ry="76" fill="#9db4d3" opacity=".5" filter="url(#shadow)"/>' +
          line('M78 34 L182 34', '#c88a3c', 1.6, '4 2') +
          line('M131 34 V96 Q130 112 122 116', '#c88a3c', 1.6, '4 2') +
          line('M131 34 V122', SEAM, 2) +
          line('M86 36 Q92 66 70 72', SEAM, 2.5) +
          line('M174 36 Q168 66 190 72', SEAM, 2.5) +
          line('M54 322 L112 326', '#c88a3c', 1.6, '4 2') +
          line('M148 326 L206 322', '#c88a3c', 1.6, '4 2') +
          [96, 131, 166]
            .map(x => `<rect x="${x - 3}" y="16" width="6" height="22" fill="#33507a" stroke="#1d2f4b"/>`)
            .join('') +
          '<circle cx="131" cy="27" r="4" fill="#c9a35a" stroke="#333"/>',
      },
    ],
  },
  {
    file: 'trouser-black-on-grey.jpg',
    label: 'Trouser',
    width: 260,
    height: 352,
    scale: 0.6,
    ground: { kind: 'lit', from: '#b9b9bd', to: '#9b9ba1' },
    parts: [
      {
        shape: TROUSERS,
        fill: '#24252b',
        waves: '0.03 0.005',
        detail:
          line('M78 32 L182 32', 'rgba(255,255,255,.25)', 1.5) +
          line('M131 32 V122', 'rgba(0,0,0,.8)', 2) +
          line('M92 60 L84 326', 'rgba(255,255,255,.22)', 2) +
          line('M168 60 L178 326', 'rgba(255,255,255,.22)', 2),
      },
    ],
  },
  {
    file: 'sandal-brown.jpg',
    label: 'Sandal',
    width: 340,
    height: 210,
    scale: 1,
    ground: { kind: 'even', color: '#ffffff' },
    parts: [
      {
        shape:
          'M18 160 Q60 146 130 150 Q210 146 262 118 Q300 106 320 124 L322 184 Q240 190 172 180 Q90 182 24 178 Q12 172 18 160Z',
        fill: '#8a5a33',
        wrinkles: 0.25,
        grain: 0.4,
        detail:
          line('M18 164 Q60 152 130 156 Q214 152 266 124 Q300 112 320 130', '#5a381d', 5) +
          line('M20 174 Q170 172 322 178', '#d9b88c', 3),
        over:
          strap('M56 152 Q82 82 128 150', '#6b3f20', 16) +
          strap('M112 150 Q150 64 196 142', '#6b3f20', 16) +
          strap('M146 104 Q190 66 222 66', '#6b3f20', 12) +
          strap('M304 118 Q318 66 268 54 Q222 46 216 66 Q218 84 262 84 Q300 84 308 96', '#6b3f20', 12) +
          '<rect x="226" y="74" width="18" height="18" fill="none" stroke="#d8b45a" stroke-width="4"/>',
      },
    ],
  },
  {
    file: 'sandal-pink-on-dark.jpg',
    label: 'Sandal',
    width: 340,
    height: 240,
    scale: 0.65,
    ground: { kind: 'lit', from: '#3a3d44', to: '#25272d' },
    parts: [
      {
        shape:
          'M20 196 Q30 180 90 186 Q150 180 206 120 Q250 72 304 74 Q322 76 320 92 L316 214 L302 214 L296 122 Q262 122 226 156 Q170 206 100 210 Q36 214 20 196Z',
        fill: '#e59ab0',
        wrinkles: 0.2,
        grain: 0.15,
        over:
          strap('M58 188 Q80 122 130 182', '#f2b8c6', 18) +
          strap('M306 78 Q318 30 272 24 Q226 24 232 48 Q246 62 290 58', '#f2b8c6', 10) +
          '<circle cx="248" cy="54" r="6" fill="#f6e3b0" stroke="#8a6a30"/>',
      },
    ],
  },
  {
    file: 'sneaker-blue.jpg',
    label: 'Sneaker',
    width: 350,
    height: 210,
    scale: 1,
    ground: { kind: 'even', color: '#fbfbfb' },
    parts: [
      {
        shape: 'M26 152 Q24 118 66 110 Q118 100 158 56 Q168 40 184 46 L206 60 Q240 70 276 50 Q298 42 304 64 L318 152Z',
        fill: '#2f5fa8',
        wrinkles: 0.3,
        grain: 0.35,
        roundness: 0.3,
        detail:
          '<path d="M26 152 Q24 118 66 110 Q84 128 84 152Z" fill="#e9e9e6"/>' +
          '<path d="M270 52 Q290 100 286 152 L320 152 L306 60Z" fill="#244a85"/>' +
          line('M150 150 Q200 130 244 66', '#f4f4f2', 10) +
          line('M180 152 Q224 134 262 70', '#f4f4f2', 10) +
          line('M116 100 Q140 112 168 112', '#1c3563', 2) +
          [
            [112, 100],
            [126, 88],
            [140, 75],
            [153, 61],
          ]
            .map(([x, y]) => line(`M${x - 6} ${y - 4} L${x + 18} ${y + 10}`, '#f7f7f7', 5))
            .join('') +
          line('M184 48 Q206 66 240 66 Q270 62 296 50', '#16294d', 5),
      },
      {
        shape: 'M20 148 Q26 142 36 148 Q180 156 320 146 Q330 152 326 176 Q322 186 300 186 L52 188 Q16 186 20 148Z',
        fill: '#f0f0ec',
        wrinkles: 0.1,
        roundness: 0.15,
        detail: line('M20 172 Q170 180 328 170', '#9aa0a8', 4) + line('M24 160 Q170 168 326 158', '#d22f2f', 2.5),
      },
    ],
  },
  {
    file: 'sneaker-white-on-grey.jpg',
    label: 'Sneaker',
    width: 350,
    height: 210,
    scale: 0.65,
    ground: { kind: 'rough', color: '#6c7077' },
    parts: [
      {
        shape: 'M24 154 Q24 122 70 114 Q124 104 160 64 Q172 50 188 58 L210 72 Q244 80 280 62 Q302 56 306 76 L320 154Z',
        fill: '#f4f3ef',
        wrinkles: 0.3,
        grain: 0.12,
        roundness: 0.25,
        detail:
          line('M72 116 Q104 128 108 154', '#b9b7b0', 3) +
          line('M276 64 Q286 110 280 154', '#b9b7b0', 3) +
          '<path d="M284 70 h20 l8 40 h-26z" fill="#3e8f62"/>' +
          [
            [116, 106],
            [131, 94],
            [146, 80],
          ]
            .map(([x, y]) => line(`M${x - 4} ${y} L${x + 18} ${y + 12}`, '#8f8d87', 3.5))
            .join(''),
      },
      {
        shape: 'M18 150 Q180 160 322 148 Q332 156 326 182 Q180 190 44 190 Q14 186 18 150Z',
        fill: '#e3e1da',
        wrinkles: 0.1,
        roundness: 0.15,
        detail: line('M20 162 Q170 170 326 160', '#bdbab2', 2),
      },
    ],
  },
  {
    file: 'bag-leather.jpg',
    label: 'Bag',
    width: 320,
    height: 300,
    scale: 1,
    ground: { kind: 'even', color: '#ffffff' },
    parts: [
      {
        shape:
          'M52 122 L268 122 Q284 122 286 138 L298 254 Q300 274 280 276 L40 276 Q20 274 22 254 L34 138 Q36 122 52 122Z',
        fill: '#7c3a22',
        wrinkles: 0.3,
        grain: 0.5,
        detail:
          '<path d="M34 122 H286 L278 196 Q160 224 42 196Z" fill="#8d4529"/>' +
          line('M42 196 Q160 224 278 196', 'rgba(0,0,0,.6)', 3) +
          line('M44 190 Q160 217 276 190', '#d9a06b', 1.4, '4 3') +
          line('M30 266 H290', '#d9a06b', 1.4, '4 3'),
        over:
          strap('M104 128 Q100 30 160 28 Q220 30 216 128', '#6a2f1b', 12) +
          '<rect x="146" y="194" width="28" height="30" rx="4" fill="#d3ac57" stroke="#6b5220" stroke-width="2"/><circle cx="160" cy="209" r="4" fill="#6b5220"/>' +
          '<circle cx="104" cy="130" r="7" fill="#d3ac57" stroke="#6b5220"/><circle cx="216" cy="130" r="7" fill="#d3ac57" stroke="#6b5220"/>',
      },
    ],
  },
  {
    file: 'bag-tote-on-dark.jpg',
    label: 'Bag',
    width: 260,
    height: 320,
    scale: 0.7,
    ground: { kind: 'even', color: '#3b2f2a' },
    parts: [
      {
        shape: 'M34 128 L226 128 L238 300 Q130 308 22 300Z',
        fill: '#d9cdb2',
        wrinkles: 0.5,
        grain: 0.35,
        detail:
          line('M33 140 H227', 'rgba(0,0,0,.45)', 1.5, '4 3') +
          '<path d="M92 190 q38 -40 76 0 q-38 74 -76 0z" fill="#4d7a57"/>' +
          line('M130 176 V250', '#d9cdb2', 3),
        over: strap('M76 140 Q74 24 130 24 Q186 24 184 140', '#c9bb9c', 11),
      },
    ],
  },
  {
    file: 'ankle-boot-black.jpg',
    label: 'Ankle boot',
    width: 330,
    height: 290,
    scale: 0.9,
    ground: { kind: 'even', color: '#efefef' },
    parts: [
      {
        shape: 'M24 238 Q22 202 78 186 Q146 166 160 120 L168 34 Q220 26 272 32 Q274 116 290 166 Q300 206 296 238Z',
        fill: '#33343a',
        wrinkles: 0.5,
        grain: 0.2,
        roundness: 0.55,
        detail:
          '<path d="M200 30 L234 30 L240 128 Q222 138 208 130Z" fill="#17171a"/>' +
          [206, 213, 220, 227].map(x => line(`M${x} 32 L${x + 4} 130`, 'rgba(255,255,255,.14)', 1.5)).join('') +
          line('M78 188 Q120 206 150 238', 'rgba(255,255,255,.22)', 2) +
          line('M262 34 Q262 130 284 238', 'rgba(0,0,0,.7)', 2),
      },
      {
        shape: 'M20 234 L298 234 L296 274 L232 274 L226 250 L40 252 Q18 250 20 234Z',
        fill: '#1b1a1a',
        wrinkles: 0.1,
        roundness: 0.2,
        detail: line('M20 240 H298', '#6a6258', 2.5),
      },
    ],
  },
  {
    file: 'ankle-boot-tan.png',
    label: 'Ankle boot',
    width: 330,
    height: 290,
    scale: 0.6,
    ground: { kind: 'transparent' },
    parts: [
      {
        shape: 'M22 236 Q22 206 74 192 Q130 176 152 132 L150 46 Q206 34 262 44 Q262 120 284 172 Q294 208 290 236Z',
        fill: '#b1773d',
        wrinkles: 0.45,
        grain: 0.35,
        roundness: 0.5,
        detail:
          line('M150 58 Q206 46 262 56', '#6d4420', 9) +
          line('M74 194 Q112 206 140 236', '#6d4420', 3) +
          [70, 92, 114, 136, 156].map((y, i) => line(`M${150 - i * 3} ${y} l34 8`, '#3b2712', 4)).join(''),
      },
      {
        shape: 'M18 232 L292 232 Q298 250 290 262 L216 262 L206 254 L44 258 Q14 256 18 232Z',
        fill: '#4a3220',
        wrinkles: 0.1,
        roundness: 0.2,
        detail: line('M18 238 H292', '#e0c79b', 3, '6 3'),
      },
    ],
  },
];
