#include "apiserver/rbac_default_tables.h"

#include "lib/base/compiler.h"

const struct rbac_default_binding rbac_default_bindings[] = {
    {
        .name = "cluster-admin",
        .role_kind = "ClusterRole",
        .role = "cluster-admin",
        .subjects = {"Group system:masters"},
    },
    {
        .name = "system:basic-user",
        .role_kind = "ClusterRole",
        .role = "system:basic-user",
        .subjects = {"Group system:authenticated"},
    },
    {
        .name = "system:discovery",
        .role_kind = "ClusterRole",
        .role = "system:discovery",
        .subjects = {"Group system:authenticated"},
    },
    {
        .name = "system:kube-controller-manager",
        .role_kind = "ClusterRole",
        .role = "system:kube-controller-manager",
        .subjects = {"User system:kube-controller-manager"},
    },
    {
        .name = "system:kube-dns",
        .role_kind = "ClusterRole",
        .role = "system:kube-dns",
        .subjects = {"ServiceAccount kube-system/kube-dns"},
    },
    {
        .name = "system:kube-scheduler",
        .role_kind = "ClusterRole",
        .role = "system:kube-scheduler",
        .subjects = {"User system:kube-scheduler"},
    },
    {
        .name = "system:monitoring",
        .role_kind = "ClusterRole",
        .role = "system:monitoring",
        .subjects = {"Group system:monitoring"},
    },
    {
        .name = "system:node",
        .role_kind = "ClusterRole",
        .role = "system:node",
    },
    {
        .name = "system:node-proxier",
        .role_kind = "ClusterRole",
        .role = "system:node-proxier",
        .subjects = {"User system:kube-proxy"},
    },
    {
        .name = "system:public-info-viewer",
        .role_kind = "ClusterRole",
        .role = "system:public-info-viewer",
        .subjects = {"Group system:authenticated", "Group system:unauthenticated"},
    },
    {
        .name = "system:service-account-issuer-discovery",
        .role_kind = "ClusterRole",
        .role = "system:service-account-issuer-discovery",
        .subjects = {"Group system:serviceaccounts"},
    },
    {
        .name = "system:volume-scheduler",
        .role_kind = "ClusterRole",
        .role = "system:volume-scheduler",
        .subjects = {"User system:kube-scheduler"},
    },
    {
        .name = "system:controller:bootstrap-signer",
        .namespace = "kube-public",
        .role_kind = "Role",
        .role = "system:controller:bootstrap-signer",
        .subjects = {"ServiceAccount kube-system/bootstrap-signer"},
    },
    {
        .name = "system::extension-apiserver-authentication-reader",
        .namespace = "kube-system",
        .role_kind = "Role",
        .role = "extension-apiserver-authentication-reader",
        .subjects = {"User system:kube-controller-manager", "User system:kube-scheduler"},
    },
    {
        .name = "system::leader-locking-kube-controller-manager",
        .namespace = "kube-system",
        .role_kind = "Role",
        .role = "system::leader-locking-kube-controller-manager",
        .subjects = {"User system:kube-controller-manager",
                     "ServiceAccount kube-system/kube-controller-manager",
                     "ServiceAccount kube-system/leader-election-controller"},
    },
    {
        .name = "system::leader-locking-kube-scheduler",
        .namespace = "kube-system",
        .role_kind = "Role",
        .role = "system::leader-locking-kube-scheduler",
        .subjects = {"User system:kube-scheduler", "ServiceAccount kube-system/kube-scheduler"},
    },
    {
        .name = "system:controller:bootstrap-signer",
        .namespace = "kube-system",
        .role_kind = "Role",
        .role = "system:controller:bootstrap-signer",
        .subjects = {"ServiceAccount kube-system/bootstrap-signer"},
    },
    {
        .name = "system:controller:cloud-provider",
        .namespace = "kube-system",
        .role_kind = "Role",
        .role = "system:controller:cloud-provider",
        .subjects = {"ServiceAccount kube-system/cloud-provider"},
    },
    {
        .name = "system:controller:token-cleaner",
        .namespace = "kube-system",
        .role_kind = "Role",
        .role = "system:controller:token-cleaner",
        .subjects = {"ServiceAccount kube-system/token-cleaner"},
    },
};
const size_t rbac_default_binding_count = ARRAY_LEN(rbac_default_bindings);
