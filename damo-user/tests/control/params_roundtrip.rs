//! Whatever the model can hold survives every way that it can be written.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use crate::common;
use crate::params_common;

use common::fake_kernel::{FakeKernel, Version};
use damo_user::control::Tree;
use damo_user::control::params::*;
use params_common::{fitted, params};
use proptest::prelude::*;

fn versions() -> impl Strategy<Value = Version> {
    prop::sample::select(Version::ALL.to_vec())
}

fn features(version: Version, tree: &Tree) -> Features {
    let (major, minor) = version.release();
    Features::probe(tree, Some(Release(major, minor))).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn json_and_yaml(params in params(), raw: bool) {
        params.validate().unwrap();
        let json = params.to_json(raw).to_string();
        prop_assert_eq!(&Params::from_json(&json).unwrap(), &params);
        let yaml = params.to_yaml(raw).unwrap();
        prop_assert_eq!(&Params::from_yaml(&yaml).unwrap(), &params, "{}", yaml);
    }

    #[test]
    fn files(params in params(), version in versions()) {
        let kernel = FakeKernel::new(version);
        let tree = kernel.system().admin();
        let features = features(version, &tree);
        let params = fitted(params, &features);
        for write in plan_params(&params, &features, Scope::Fresh).unwrap() {
            tree.write(&write.path, &write.value).unwrap();
        }
        let expected = params.resolved().unwrap();
        let found = read(&tree).unwrap();
        prop_assert_eq!(&found, &expected, "{:?}", version);
        // And what was read back is the same in every form.
        let json = found.to_json(false).to_string();
        prop_assert_eq!(&Params::from_json(&json).unwrap(), &expected);
        prop_assert_eq!(&found.resolved().unwrap(), &expected);
    }

    /// Over other parameters, with the same kdamonds and contexts.
    #[test]
    fn files_of_what_runs(before in params(), after in params(), version in versions()) {
        let mut after = after;
        after.kdamonds.resize(before.kdamonds.len(), Kdamond {
            refresh_ms: 0,
            contexts: vec![Context::default()],
        });
        let kernel = FakeKernel::new(version);
        let tree = kernel.system().admin();
        let features = features(version, &tree);
        let (before, after) = (fitted(before, &features), fitted(after, &features));
        for (params, scope) in [(&before, Scope::Fresh), (&after, Scope::Running)] {
            for write in plan_params(params, &features, scope).unwrap() {
                prop_assert!(scope == Scope::Fresh || !write.path.ends_with("nr_kdamonds"));
                prop_assert!(scope == Scope::Fresh || !write.path.ends_with("nr_contexts"));
                tree.write(&write.path, &write.value).unwrap();
            }
        }
        prop_assert_eq!(read(&tree).unwrap(), after.resolved().unwrap());
    }
}
