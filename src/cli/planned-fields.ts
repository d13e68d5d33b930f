import type { OutputFields } from '../download/types.ts';
import { fieldsOf } from '../generate/save-task.ts';
import type { GenerationRequest } from '../request/types.ts';
import { toWireBody } from '../request/wire-body.ts';

/** The fields of an output as far as a request tells them: the id is the service's, the time that of the sending. Pure. */
export function plannedFields(request: GenerationRequest, nowMs: number): OutputFields {
  const { operation } = request;
  const { time, ...fields } = fieldsOf({ operation, body: toWireBody(request), createdAtMs: nowMs });
  return fields;
}
