# Prints what tests/it/ecg.rs quotes: the benchmark's preparation of the stand-in files in numpy and scipy.
# Usage: python check.py FOLDER, where FOLDER holds challenge2017.pkl and records/.
import numpy as np, pickle, math, warnings, glob, csv
import scipy.io
warnings.simplefilter('ignore')
import sys
D=sys.argv[1]+'/'
STR={'N':500,'A':500//6,'O':250,'~':25}
LAB={'N':0,'A':1,'O':2,'~':3}
def prep(data,label):
    n=len(data)
    data=[(np.asarray(d)-np.mean(d))/np.std(d) for d in data]
    def split(idx,f):
        rng=np.random.RandomState(0); p=rng.permutation(len(idx)); k=math.ceil(f*len(idx))
        return [idx[i] for i in p[k:]],[idx[i] for i in p[:k]]
    allidx=list(range(n))
    ftr,fte=split(allidx,0.1)
    str_,held=split(allidx,0.2)
    sva,ste=split(held,0.5)
    out={}
    for name,idx in dict(ftrain=ftr,ftest=fte,strain=str_,sval=sva,stest=ste).items():
        X=[];Y=[];R=[]
        for r,i in enumerate(idx):
            d=data[i]
            for s in range(0,len(d)-1000,STR[label[i]]):
                X.append(d[s:s+1000].astype(np.float32));Y.append(LAB[label[i]]);R.append(r)
        X=np.array(X,dtype=np.float32);Y=np.array(Y)
        out[name]=(idx,X,Y,R)
        print(name,len(idx),'idx',idx[:6],'windows',len(Y),'classes',np.bincount(Y,minlength=4).tolist(),'sum',float(X.astype(np.float64).sum()),'sumsq',float((X.astype(np.float64)**2).sum()),'vals',X[0,0],X[len(X)//2,500],X[-1,999])
    print('seen',[int(i in sva) for i in fte])
    return out
p=pickle.load(open(D+'challenge2017.pkl','rb'))
print(p['data'].dtype,p['data'].shape,p['data'][0].dtype,p['label'].dtype,p['label'].tolist())
print([len(x) for x in p['data']])
o=prep(p['data'],p['label'])
print('--- records')
ref=[r for r in csv.reader(open(D+'records/REFERENCE.csv'))]
ref=dict(ref); names=sorted(ref)
data=[scipy.io.loadmat(D+f'records/{n}.mat')['val'][0] for n in names]
print(len(names),data[0].dtype,names[:3])
prep(data,[ref[n] for n in names])
