# kubectl finds the cluster that kubeadm made on this machine; only root can read its credentials.
if [ -z "${KUBECONFIG:-}" ] && [ -r /etc/kubernetes/admin.conf ]; then
    KUBECONFIG=/etc/kubernetes/admin.conf
    export KUBECONFIG
fi
