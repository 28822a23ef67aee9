//! What DAMON takes and then does nothing about: no error of its own, and yet
//! not what anybody wants (DAMON-ABI.md 1.6; in the kernel, each operations set
//! knows its own actions).

use super::{Action, Context, Filter, Layer, Params};
use crate::model::Ops;

impl Params {
    /// Sentences about what will have no effect, each naming option and value.
    pub fn idle(&self) -> Vec<String> {
        let mut said = Vec::new();
        for (_, _, context) in self.contexts() {
            for scheme in &context.schemes {
                let (action, ops) = (scheme.action, context.ops.keyword());
                if !does(context, action) {
                    said.push(format!(
                        "--damos_action {action}: with --ops {ops} DAMON finds regions and does nothing about them"
                    ));
                }
                let of_pages = |filter: &&Filter| filter.kind.layer() == Layer::Ops;
                let ignored =
                    context.ops != Ops::Paddr && !(action.migrates() || action == Action::Stat);
                let ignored = scheme.filters.iter().filter(of_pages).filter(|_| ignored);
                said.extend(ignored.map(|filter| {
                    format!(
                        "--damos_filter {}: with --ops {ops} DAMON does not look at it for {action}: such memory is not spared",
                        filter.kind.keyword()
                    )
                }));
            }
        }
        said
    }
}

/// Whether the operations set has the action.
fn does(context: &Context, action: Action) -> bool {
    use Action::{Cold, Collapse, Hugepage, LruDeprio, LruPrio, Nohugepage, Willneed};
    match context.ops {
        Ops::Paddr => !matches!(action, Willneed | Cold | Hugepage | Nohugepage | Collapse),
        Ops::Vaddr | Ops::Fvaddr => !matches!(action, LruPrio | LruDeprio),
    }
}
