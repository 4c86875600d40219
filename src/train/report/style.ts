/** The report's style sheet: one column on small screens, light and dark as the system is. */

import { usualWeight, weights } from './chart.js';

/** Colours that can be told apart on light and on dark ground, also by people who see few colours (Okabe and Ito, 2008). */
const runColours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
const darkRunColours = ['#5ab4f0', '#ff8c42', '#2fcf9f', '#f0a6cf', '#f5c04d', '#9ad4f7'];

export const mostRuns = runColours.length;

const runVariables = (colours: readonly string[]): string =>
  colours.map((colour, run) => `--run${run}:${colour};`).join('');

const runRules = runColours.map((_, run) => `.run${run}{--own:var(--run${run})}`).join('\n');

const others = (chosen: number): string =>
  weights
    .filter((weight) => weight > 0 && weight !== chosen)
    .map((weight) => `:root:has(#smooth${chosen * 100}:checked) .w${weight * 100}`)
    .join(',');

const smoothingRules = weights.map((weight) => `${others(weight)}{display:none}`).join('\n');

export const styleSheet = `
:root{color-scheme:light dark;--ground:#f6f7f9;--card:#fff;--ink:#1c2330;--soft:#667085;--line:#e3e7ee;--faint:#eef1f5;
--good:#0f7b4f;--warn:#a15c00;--bad:#b42318;${runVariables(runColours)}}
@media (prefers-color-scheme:dark){:root{--ground:#0f131a;--card:#171d27;--ink:#e6eaf1;--soft:#98a3b5;--line:#2a3342;--faint:#1f2733;
--good:#4cc790;--warn:#eab04d;--bad:#f97066;${runVariables(darkRunColours)}}}
${runRules}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main,header,footer{max-width:1180px;margin:0 auto;padding:0 20px}
header{padding-top:28px}
h1{font-size:24px;line-height:1.25;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:17px;margin:36px 0 12px;letter-spacing:-.005em}
h3{font-size:14px;margin:0;font-weight:600}
p{margin:0}
.soft,footer{color:var(--soft)}
footer{padding-top:32px;padding-bottom:40px;font-size:13px}
code,pre{font:13px/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px}
.stack{display:grid;gap:14px;grid-template-columns:minmax(0,1fr)}
.columns>*,.cards>*{min-width:0}
.cards{display:grid;gap:14px;grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),1fr));align-items:start}
.columns{display:grid;gap:14px;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));align-items:start}
.name{display:flex;flex-wrap:wrap;align-items:center;gap:4px 10px}
.swatch{width:11px;height:11px;border-radius:3px;background:var(--own);flex:none}
.state{font-size:12px;font-weight:600;padding:1px 9px;border-radius:99px;background:var(--faint);color:var(--soft)}
.state.finished{color:var(--good)}
.state.running{color:var(--warn)}
.state.failed,.failure{color:var(--bad)}
.failure{margin:0 0 14px;white-space:pre-wrap;overflow-wrap:anywhere}
.state.running::before{content:"";display:inline-block;width:7px;height:7px;border-radius:9px;background:currentColor;margin-right:6px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(128px,1fr));gap:14px 18px;margin:0}
.name+.figures{margin-top:14px}
.figures dt{font-size:12.5px;color:var(--soft)}
.figures dd{margin:0;font-size:20px;font-weight:600;line-height:1.3;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.figures dd small{display:block;font-size:12.5px;font-weight:400;color:var(--soft)}
.controls{display:flex;flex-wrap:wrap;gap:8px 22px;align-items:center;margin:0 0 12px;font-size:13px;color:var(--soft)}
.controls fieldset{border:0;margin:0;padding:0;display:flex;align-items:center;gap:8px}
.controls legend{float:left;padding:0}
.choice{display:inline-flex;border:1px solid var(--line);border-radius:8px;overflow:hidden;background:var(--card)}
.choice label{cursor:pointer}
.choice span{display:block;padding:3px 11px;border-left:1px solid var(--line);color:var(--ink)}
.choice label:first-child span{border-left:0}
.choice input{position:absolute;opacity:0;width:1px;height:1px}
.choice input:checked+span{background:var(--ink);color:var(--card)}
.choice input:focus-visible+span{outline:2px solid var(--run0);outline-offset:-2px}
.charts{display:grid;gap:14px;grid-template-columns:repeat(2,minmax(0,1fr))}
.chart{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 18px 10px}
.chart.wide,.chart:last-child:nth-child(even){grid-column:1/-1}
figcaption{display:flex;justify-content:space-between;gap:12px;font-weight:600;font-size:14px;margin-bottom:20px}
.legend{display:flex;gap:14px;font-weight:400;font-size:12.5px;color:var(--soft)}
.key::before{content:"";display:inline-block;width:16px;height:0;border-top:2px solid var(--run0);vertical-align:middle;margin-right:6px}
.key.marked::before{width:7px;height:7px;border:0;border-radius:9px;background:var(--run0)}
.several .key::before{border-color:var(--soft)}
.several .key.marked::before{background:var(--soft)}
.area{position:relative;height:170px;margin-left:46px}
.wide .area{height:270px}
.plot,.over,.area svg{position:absolute;inset:0;width:100%;height:100%}
.plot{border-bottom:1px solid var(--line)}
.tick{position:absolute;left:0;right:0;border-top:1px solid var(--faint)}
.tick b{position:absolute;right:100%;margin-right:8px;transform:translateY(-50%);font-weight:400;font-size:11.5px;line-height:1;color:var(--soft);white-space:nowrap;font-variant-numeric:tabular-nums}
.area svg{overflow:visible}
.area path{fill:none;stroke:var(--own);stroke-width:1.8px;vector-effect:non-scaling-stroke;stroke-linejoin:round;stroke-linecap:round}
.area .rough{stroke-width:1.2px;opacity:.28}
.area .marked path{stroke-width:1.4px;stroke-dasharray:4 4}
.area .marked .dots{stroke-width:7px;stroke-dasharray:none}
.border{position:absolute;top:0;bottom:0;border-left:1px dashed var(--line)}
.border{top:-12px}
.border b{position:absolute;top:-2px;left:5px;font-weight:400;font-size:11.5px;line-height:1;color:var(--soft);white-space:nowrap}
.at{position:absolute;top:0;bottom:0}
.tip{display:none;position:absolute;top:6px;z-index:2;background:var(--ink);color:var(--card);border-radius:7px;padding:6px 10px;font-size:12px;line-height:1.45;white-space:nowrap;pointer-events:none}
.tip.right{left:calc(50% + 9px)}
.tip.left{right:calc(50% + 9px)}
.tip span{display:block}
.tip b{font-variant-numeric:tabular-nums}
.several .tip span::before{content:"";display:inline-block;width:8px;height:8px;border-radius:2px;background:var(--own);margin-right:6px}
.at:hover .tip{display:block}
.at:hover::before{content:"";position:absolute;left:50%;top:0;bottom:0;border-left:1px solid var(--soft)}
.steps{position:relative;height:20px;margin-left:46px;font-size:11.5px;color:var(--soft)}
.steps span{position:absolute;top:5px;transform:translateX(-50%);line-height:1.2;font-variant-numeric:tabular-nums}
:root:has(#linear:checked) .plot.log,:root:has(#log:checked) .plot.linear{display:none}
${smoothingRules}
:root:has(#smooth0:checked) .rough{opacity:1;stroke-width:1.6px}
.question{display:flex;gap:14px;align-items:flex-start}
.thumbs{display:flex;flex-wrap:wrap;gap:6px;flex:none;max-width:200px}
.thumbs img{display:block;border-radius:7px;max-width:96px;max-height:96px;border:1px solid var(--line)}
.thumbs .gone{width:72px;height:72px;border-radius:7px;border:1px dashed var(--line);color:var(--soft);font-size:11px;line-height:1.3;display:grid;place-items:center;text-align:center;padding:4px}
.prompt{font-weight:600;margin-bottom:8px;overflow-wrap:anywhere;white-space:pre-wrap}
.answers{display:grid;grid-template-columns:auto 1fr;gap:0 14px;margin:0;flex:1;min-width:0}
.answers dt{color:var(--soft);font-size:12.5px;padding:6px 0;white-space:nowrap;font-variant-numeric:tabular-nums;border-top:1px solid var(--faint)}
.answers dd{margin:0;padding:5px 0;overflow-wrap:anywhere;white-space:pre-wrap;border-top:1px solid var(--faint)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;min-width:60%;font-size:13.5px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:6px 14px 6px 0;border-top:1px solid var(--faint);vertical-align:top}
tr:first-child>*{border-top:0}
.cards table{width:100%}
thead th{border-top:0;color:var(--soft);font-weight:400;font-size:12.5px}
tbody th{font-weight:400;color:var(--soft);white-space:nowrap}
td{overflow-wrap:anywhere;min-width:64px}
td.stage{font-weight:600;padding-top:16px}
.single td.stage .swatch{display:none}
.said{flex:1;min-width:0}
tr.differs td{font-weight:600}
td.best{color:var(--good);font-weight:600}
pre{margin:0;overflow-x:auto;white-space:pre;tab-size:2}
ul.bad{margin:10px 0 0;padding-left:18px;font-size:13.5px}
ul.bad li{overflow-wrap:anywhere}
@media (max-width:720px){main,header,footer{padding-left:14px;padding-right:14px}.charts{grid-template-columns:minmax(0,1fr)}
.wide .area{height:210px}.chart{padding:12px 12px 8px}.card{padding:14px}.question{flex-direction:column}.thumbs{max-width:none}}
@media print{body{background:none}.controls,.over .at{display:none}.card,.chart{break-inside:avoid}}
`;

/** The choices above the charts. */
export const smoothings = weights.map((weight) => ({ weight, usual: weight === usualWeight }));
