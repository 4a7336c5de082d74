//! Hands a call to its program.

use super::call::{
    Answer, CallContext, CallOutcome, MOUNT, NFS, PORTMAP, Port, ProcedureCall, Server, Stop,
};
use super::reason::{IgnoreReason, Refusal};
use super::wire::rpc::{self, Accepted, Call, Denied, NoCall};
use super::{mount, nfs3, portmap};

/// Answers one message.
///
/// # Errors
/// Fails if no reply is to be sent.
pub fn answer(
    message: &[u8],
    context: CallContext,
    server: &Server<'_>,
) -> Result<Answer, IgnoreReason> {
    let over = context.over;
    let (call, args) = match Call::parse(message) {
        Ok(call) => call,
        Err(NoCall::Nothing(reason)) => return Err(reason.into()),
        Err(NoCall::Refused { xid, why }) => {
            return Ok(Answer {
                reply: rpc::denied(xid, over, why),
                outcome: match why {
                    Denied::UnknownFlavor => CallOutcome::Refused(Refusal::Flavor),
                    Denied::Version | Denied::BadCredentials => CallOutcome::Nothing,
                },
            });
        }
    };
    let xid = call.xid;
    let not = |why, outcome| Answer {
        reply: rpc::not_accepted(xid, over, why),
        outcome,
    };
    let request = ProcedureCall {
        call: &call,
        args,
        context,
        server,
    };
    let outcome = match (context.port, call.program, call.version) {
        (Port::Portmap, PORTMAP, _) => portmap::answer(request),
        (Port::Nfs, MOUNT, _) => mount::answer(request),
        (Port::Nfs, NFS, _) => nfs3::answer(request),
        _ => Err(Stop::Not(Accepted::NoProgram)),
    };
    match outcome {
        Ok(answer) => Ok(answer),
        Err(Stop::Ignore(why)) => Err(why),
        Err(Stop::Not(why @ Accepted::NoVersion { .. })) if call.program == NFS => {
            // Clients call version 0 to find out the supported versions.
            let outcome = match call.version {
                0 => CallOutcome::Nothing,
                version => CallOutcome::Refused(Refusal::NfsVersion(version)),
            };
            Ok(not(why, outcome))
        }
        Err(Stop::Not(why)) => Ok(not(why, CallOutcome::Nothing)),
    }
}
