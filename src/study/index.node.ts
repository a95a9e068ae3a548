/** What `./index.ts` offers, and what needs Node: run folders, the stages of a study, and the study itself. */

export { type AuditOptions, auditStudy } from './audit.node.ts';
export { type DataOptions, describeData, obtainData, obtainDataset } from './data.node.ts';
export { type EvaluateOptions, evaluateCheckpoints } from './evaluate-checkpoints.node.ts';
export { type EvaluationStudyOptions, evaluationStudy } from './evaluation.node.ts';
export { type ExplainOptions, explainStudy } from './explain.node.ts';
export { type ExploreOptions, exploreStudy } from './explore.node.ts';
export * from './index.ts';
export { type JudgeOptions, judgeStudy } from './judge.node.ts';
export { type PredictOptions, predictStudy } from './predict.node.ts';
export { predictPictures } from './predict-pictures.node.ts';
export { type RobustnessStudyOptions, robustnessStudy } from './robustness.node.ts';
export { Run, type RunOptions } from './run.node.ts';
export { dataOf, type RunData } from './run-data.node.ts';
export { type RunCheckpoint, RunFolder } from './run-folder.node.ts';
export { readSettings } from './settings-file.node.ts';
export { isDone, type Outcome, type RunStagesOptions, runStages, type Stage, type StageWork } from './stage.node.ts';
export { type StudyOptions, studyStages } from './stages.node.ts';
export { type RunStudyOptions, readStudyConfig, runStudy, type StudyConfig, type StudySummary } from './study.node.ts';
export { noteTestSetUse, type TestSetUse } from './test-set-ledger.node.ts';
export { type TuneOptions, tuneStudy } from './tune.node.ts';
